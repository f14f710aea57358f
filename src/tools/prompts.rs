//! Prompts that people start from, and completions for their arguments.

use crate::facts::{facts, voices};
use crate::mcp::catalogue::{Completion, PromptTemplate};

pub(crate) const PROMPTS: &[PromptTemplate] = &[
    PromptTemplate {
        name: "narrate",
        title: "Narrate a text",
        description: "Have a text read aloud in a fitting voice.",
        tools: &["text_to_audio"],
        arguments: &[("voice_id", "A voice of list_voices", false), ("format", "mp3, wav or flac", false)],
        text: "Narrate a text of mine as an audio file. If I have not given the text yet, ask me for it or for a file.\n\
               Voice: {voice_id}. If that is no voice_id, find two or three that fit with list_voices and let me choose.\n\
               Format: {format}; mp3 if none is named.\n\
               First call text_to_audio with dry_run and tell me the price; when I agree, call it once without. Longer \
               texts take a while: get_job waits for them. Then tell me where the file is.",
    },
    PromptTemplate {
        name: "storyboard",
        title: "Storyboard to video",
        description: "From an idea over pictures to a short film.",
        tools: &["text_to_image", "generate_video"],
        arguments: &[
            ("shots", "How many shots, 1 to 6", false),
            ("model", "A video model of list_models", false),
        ],
        text: "Make a short film from an idea of mine; ask me for the idea if I have not told it.\n\
               Shots: {shots}; three if none are named. Video model: {model}; the default if none is named.\n\
               1. Write a storyboard: for each shot one sentence for the picture and one for the movement.\n\
               2. Show it with the price of all pictures and videos (dry_run), and wait for my yes.\n\
               3. Make the first frame of each shot with text_to_image, look at it with view_media, and show me.\n\
               4. Make each shot with generate_video, with the frame's minimax:// uri as first_frame_image. Start them all \
               with wait_seconds 0, then collect them with get_job. Never start a shot twice.",
    },
    PromptTemplate {
        name: "podcast",
        title: "Podcast from notes",
        description: "Two voices talk about notes of yours.",
        tools: &["text_to_audio"],
        arguments: &[("minutes", "About how long", false), ("language", "English, Chinese, …", false)],
        text: "Turn notes of mine into a podcast of two speakers; ask me for the notes if I have not given them.\n\
               Length: {minutes} minutes; five if none are named. Language: {language}; that of the notes if none is named.\n\
               1. Write the dialogue, and show it to me.\n\
               2. Pick two voices that differ with list_voices, and tell me the price (dry_run).\n\
               3. After my yes, speak each turn with text_to_audio, all with the same format and sample_rate, started with \
               wait_seconds 0 and collected with get_job.\n\
               4. List the files in their order.",
    },
    PromptTemplate {
        name: "clone_voice",
        title: "Clone my voice safely",
        description: "A voice of your own from a recording, with consent.",
        tools: &["voice_clone"],
        arguments: &[("voice_id", "The new voice's id", false)],
        text: "Clone a voice from a recording.\n\
               1. Ask whose voice it is. Go on only if it is mine, or if I say that the speaker has agreed to it.\n\
               2. Ask for the recording: 10 seconds to 5 minutes, one speaker, no music, mp3, m4a or wav.\n\
               3. New voice_id: {voice_id}; if none is named, suggest one (8 characters or more, letters and digits, a letter \
               first).\n\
               4. Tell me what it costs (voice_clone with dry_run), and wait for my yes.\n\
               5. Call voice_clone once, with a short text to hear it. Tell me that a voice which is not used is \
               deleted by MiniMax after 7 days, and how delete_voice removes it.",
    },
    PromptTemplate {
        name: "jingle",
        title: "Jingle",
        description: "A short piece of music for a product or a show.",
        tools: &["music_generation"],
        arguments: &[("mood", "One word: cheerful, calm, …", false)],
        text: "Make a jingle; ask me what it is for if I have not said so. Mood: {mood}; ask if none is named.\n\
               Write two lines of lyrics, or agree with me on an instrumental. Tell me the price (music_generation with \
               dry_run), and after my yes call it once. It takes minutes: get_job waits. If MiniMax says that music is closed \
               for this account, say so and stop.",
    },
];

pub(crate) const COMPLETIONS: &[Completion] = &[
    Completion {
        argument: "voice_id",
        tool: "list_voices",
        values: || voices().system.iter().map(|voice| voice.id.clone()).collect(),
    },
    Completion {
        argument: "model",
        tool: "generate_video",
        values: || facts().video_rows().iter().map(|row| row.model.clone()).collect(),
    },
    Completion {
        argument: "language",
        tool: "text_to_audio",
        values: || voices().language_names().map(str::to_owned).collect(),
    },
    Completion {
        argument: "format",
        tool: "text_to_audio",
        values: || ["mp3", "wav", "flac"].map(str::to_owned).to_vec(),
    },
    Completion {
        argument: "template",
        tool: "generate_video_from_template",
        values: || facts().template_names().map(str::to_owned).collect(),
    },
];
