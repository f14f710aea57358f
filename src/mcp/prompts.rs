//! Prompts: what people start from, and completions for what they have to fill in. Arguments are single words, because
//! some clients split what is typed at every space.

use rmcp::ErrorData;
use rmcp::model::{
    ArgumentInfo, CompletionInfo, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage,
    Reference, Role,
};

use crate::facts::{facts, voices};
use crate::jobs::Filter;
use crate::mcp::Server;

/// One prompt.
struct Recipe {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    /// The tools that it cannot do without.
    tools: &'static [&'static str],
    /// Name, what it is, and whether it must be given.
    arguments: &'static [(&'static str, &'static str, bool)],
    /// `{name}` stands for an argument, or what is to be asked when it was left out.
    text: &'static str,
}

const RECIPES: &[Recipe] = &[
    Recipe {
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
    Recipe {
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
    Recipe {
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
    Recipe {
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
    Recipe {
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

impl Recipe {
    fn prompt(&self) -> Prompt {
        let argument = |(name, description, required): &(&str, &str, bool)| {
            PromptArgument::new(*name).with_description(*description).with_required(*required)
        };
        let arguments = self.arguments.iter().map(argument).collect();
        Prompt::new(self.name, Some(self.description), Some(arguments)).with_title(self.title)
    }

    fn filled(&self, given: Option<&JsonObject>) -> String {
        let mut text = self.text.to_owned();
        for (argument, ..) in self.arguments {
            let value = given.and_then(|given| given.get(*argument)?.as_str()).map(str::trim);
            let value = value.filter(|value| !value.is_empty()).unwrap_or("not named");
            text = text.replace(&format!("{{{argument}}}"), value);
        }
        text
    }
}

impl Server {
    /// Those whose tools this caller has: a recipe that names others leads nowhere.
    fn recipes(&self) -> impl Iterator<Item = &'static Recipe> {
        RECIPES.iter().filter(|recipe| recipe.tools.iter().all(|tool| self.has(tool)))
    }

    /// `prompts/list`.
    pub(crate) fn prompts(&self) -> Vec<Prompt> {
        self.recipes().map(Recipe::prompt).collect()
    }

    /// `prompts/get`.
    pub(crate) fn prompt(
        &self,
        name: &str,
        given: Option<&JsonObject>,
    ) -> Result<GetPromptResult, ErrorData> {
        let Some(recipe) = self.recipes().find(|recipe| recipe.name == name) else {
            let names: Vec<_> = self.recipes().map(|recipe| recipe.name).collect();
            let text = format!("there is no prompt `{name}`; there are {}", names.join(", "));
            return Err(ErrorData::invalid_params(text, None));
        };
        let message = PromptMessage::new_text(Role::User, recipe.filled(given));
        Ok(GetPromptResult::new(vec![message]).with_description(recipe.description))
    }

    /// `completion/complete`: values that begin with what was typed, then those that contain it.
    pub(crate) async fn completions(&self, about: &Reference, argument: &ArgumentInfo) -> CompletionInfo {
        // Values of what the caller cannot call help nobody.
        let is_for = |tool: &str| matches!(about, Reference::Prompt(_)) && self.has(tool);
        let values: Vec<String> = match (about, argument.name.as_str()) {
            (_, "voice_id") if is_for("list_voices") => {
                voices().system.iter().map(|voice| voice.id.clone()).collect()
            }
            (_, "model") if is_for("generate_video") => {
                facts().video_rows().iter().map(|row| row.model.clone()).collect()
            }
            (_, "language") if is_for("text_to_audio") => {
                voices().language_names().map(str::to_owned).collect()
            }
            (_, "format") if is_for("text_to_audio") => ["mp3", "wav", "flac"].map(str::to_owned).to_vec(),
            (_, "template") if is_for("generate_video_from_template") => {
                facts().template_names().map(str::to_owned).collect()
            }
            (Reference::Resource(_), "job_id") => self.recent_jobs().await,
            _ => Vec::new(),
        };
        let typed = argument.value.to_lowercase();
        let (first, rest): (Vec<_>, Vec<_>) =
            values.into_iter().partition(|value| value.to_lowercase().starts_with(&typed));
        let inside = rest.into_iter().filter(|value| value.to_lowercase().contains(&typed));
        let fitting: Vec<_> = first.into_iter().chain(inside).collect();
        let (total, more) = (fitting.len(), fitting.len() > CompletionInfo::MAX_VALUES);
        let shown = fitting.into_iter().take(CompletionInfo::MAX_VALUES).collect();
        CompletionInfo::with_pagination(shown, u32::try_from(total).ok(), more).unwrap_or_default()
    }

    async fn recent_jobs(&self) -> Vec<String> {
        let filter = Filter { limit: 50, ..Filter::default() };
        let page = self.jobs().list(self.principal(), &filter).await;
        page.map(|page| page.jobs.into_iter().map(|job| job.id).collect()).unwrap_or_default()
    }
}
