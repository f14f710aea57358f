//! Prompts that people start from, and completions for their arguments.

use crate::facts::{facts, voices};
use crate::mcp::catalogue::Line::{Always, Given, Missing};
use crate::mcp::catalogue::{Completion, PromptTemplate};

pub(crate) const PROMPTS: &[PromptTemplate] = &[
    PromptTemplate {
        name: "narrate",
        title: "Narrate a text",
        description: "Read a text aloud into an audio file.",
        tools: &["list_voices", "text_to_audio", "get_job"],
        arguments: &[
            ("text", "The text, or the path of a text file"),
            ("voice_id", "A voice of list_voices"),
            ("format", "mp3, wav or flac"),
        ],
        lines: &[
            Always("Narrate a text of mine as an audio file."),
            Given("text", "Text, or the path of a file with it (then use text_file):\n{text}"),
            Missing("text", "Ask me for the text, or for the path of a file with it."),
            Given(
                "voice_id",
                "Voice: {voice_id}. If list_voices does not know it, suggest two or three that fit.",
            ),
            Missing("voice_id", "Suggest two or three voices that fit with list_voices, and let me choose."),
            Given("format", "Format: {format}."),
            Always(
                "First call text_to_audio with dry_run and tell me the price. When I agree, call it once without dry_run. \
                 Longer texts take a while: get_job waits for them. Then tell me where the file is.",
            ),
        ],
    },
    PromptTemplate {
        name: "storyboard",
        title: "Storyboard to video",
        description: "Turn an idea into pictures, then into a short film.",
        tools: &["text_to_image", "view_media", "generate_video", "get_job"],
        arguments: &[
            ("idea", "What the film is about"),
            ("shots", "How many shots, 1 to 6"),
            ("model", "A video model of list_models"),
        ],
        lines: &[
            Always("Make a short film from an idea of mine."),
            Given("idea", "Idea: {idea}"),
            Missing("idea", "Ask me for the idea."),
            Given("shots", "Shots: {shots}."),
            Missing("shots", "Plan three shots."),
            Given("model", "Video model: {model}."),
            Always(
                "1. Write a storyboard: for each shot one sentence for the picture and one for the movement.",
            ),
            Always("2. Show it with the price of all pictures and videos (dry_run), and wait until I agree."),
            Always(
                "3. Make the first frame of each shot with text_to_image, look at it with view_media, and show me.",
            ),
            Always(
                "4. Make each shot with generate_video, with the frame's minimax:// uri as first_frame_image. Start them all \
                 with wait_seconds 0, then wait for all with get_job and job_ids. Never start a shot twice.",
            ),
        ],
    },
    PromptTemplate {
        name: "podcast",
        title: "Podcast from notes",
        description: "Two voices discuss your notes.",
        tools: &["list_voices", "text_to_audio", "get_job"],
        arguments: &[
            ("notes", "The notes, or the path of a file with them"),
            ("minutes", "About how long"),
            ("language", "English, Chinese, …"),
        ],
        lines: &[
            Always("Turn notes of mine into a podcast of two speakers."),
            Given("notes", "Notes, or the path of a file with them:\n{notes}"),
            Missing("notes", "Ask me for the notes."),
            Given("minutes", "Length: about {minutes} minutes."),
            Missing("minutes", "Length: about five minutes."),
            Given("language", "Language: {language}."),
            Missing("language", "Use the language of the notes."),
            Always("1. Write the dialogue, and show it to me."),
            Always("2. Pick two different voices with list_voices, and tell me the price (dry_run)."),
            Always(
                "3. When I agree, speak each turn with text_to_audio, all with the same format and sample_rate. Start them \
                 with wait_seconds 0, then wait for all with get_job and job_ids.",
            ),
            Always("4. List the files in their order."),
        ],
    },
    PromptTemplate {
        name: "clone_voice",
        title: "Clone a voice with consent",
        description: "Make a voice from a recording of somebody who agrees.",
        tools: &["voice_clone", "delete_voice"],
        arguments: &[
            ("recording", "The path or URL of the recording"),
            ("voice_id", "The id of the new voice"),
        ],
        lines: &[
            Always("Clone a voice from a recording."),
            Always(
                "1. Ask whose voice it is. Continue only if it is mine, or if I say that the speaker has agreed.",
            ),
            Given("recording", "2. The recording: {recording}"),
            Missing(
                "recording",
                "2. Ask for the recording: 10 seconds to 5 minutes, one speaker, no music, mp3, m4a or wav.",
            ),
            Given("voice_id", "3. The new voice_id: {voice_id}"),
            Missing(
                "voice_id",
                "3. Suggest a new voice_id: 8 characters or more, letters and digits, a letter first.",
            ),
            Always("4. Tell me the price (voice_clone with dry_run), and wait until I agree."),
            Always(
                "5. Call voice_clone once, with a short text to hear it. Tell me that MiniMax deletes a voice that is not \
                 used within 7 days, and that delete_voice removes it.",
            ),
        ],
    },
    PromptTemplate {
        name: "jingle",
        title: "Jingle",
        description: "A short piece of music for a product or a show.",
        tools: &["music_generation", "get_job"],
        arguments: &[("product", "The product or show that it is for"), ("mood", "Cheerful, calm, …")],
        lines: &[
            Always("Make a jingle."),
            Given("product", "It is for: {product}"),
            Missing("product", "Ask me what it is for."),
            Given("mood", "Mood: {mood}."),
            Missing("mood", "Suggest a mood that fits."),
            Always(
                "Write two lines of lyrics, or agree with me on an instrumental (is_instrumental). Tell me the price \
                 (music_generation with dry_run), and when I agree call it once without dry_run. It takes minutes: get_job \
                 waits. If MiniMax says that music is closed for this account, say so and stop.",
            ),
        ],
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
