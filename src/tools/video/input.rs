//! The arguments of `generate_video`, and the choice that follows from them. The inputs decide the mode, and the model
//! decides the API.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::video_v2::Expansion;
use crate::facts::{Mode, ModelKind, Protocol, Size, VideoModel, facts};
use crate::jobs::Cost;
use crate::mcp::model_name::{ModelNames, fitting, unknown_model};
use crate::mcp::{JobOptions, ToolError};
use crate::money::Currency;

/// The longest reference video, in seconds.
pub(crate) const LONGEST_REFERENCE: u32 = 15;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct VideoInput {
    /// What happens, up to 2,000 characters (H3 models 7,000). Needed by H3 models, and without
    /// first_frame_image. Hailuo takes camera moves as [Push in].
    pub(crate) prompt: Option<String>,
    /// Default: MiniMax-Hailuo-2.3 (text, first frame), MiniMax-Hailuo-02 (last frame), S2V-01 (face), MiniMax-H3
    /// (references). MiniMax-Hailuo-2.3-Fast: first frame only, cheaper. H3 models, all but a face: MiniMax-H3
    /// (usual), MiniMax-H3-Max; price unknown: MiniMax-H3-Highspeed, MiniMax-H3-Lite. Older: list_models.
    pub(crate) model: Option<String>,
    /// First image: path, URL or minimax://. Excludes subject_reference, reference_*.
    pub(crate) first_frame_image: Option<String>,
    /// Last image: MiniMax-Hailuo-02 or H3 models only; best with first_frame_image.
    pub(crate) last_frame_image: Option<String>,
    /// Photo of a face to keep: S2V-01 only (duration 6, resolution 720P). Excludes frames and reference_*.
    pub(crate) subject_reference: Option<String>,
    /// Up to 9 images to draw on, also with reference_videos, reference_audios (12 files in all): H3 models only.
    /// Excludes frames. In prompt: reference image 1.
    pub(crate) reference_images: Option<Vec<String>>,
    /// Up to 3 mp4 or mov clips, 2-15 s, together 15 s, billed like the video: H3 models only. Excludes frames.
    pub(crate) reference_videos: Option<Vec<String>>,
    /// Up to 3 mp3 or wav sounds to follow, 2-15 s, together 15 s: H3 models only, with reference_images or
    /// reference_videos.
    pub(crate) reference_audios: Option<Vec<String>>,
    /// Seconds. Hailuo: 6 (default), 10 (not 1080P). T2V-01, I2V-01 (first frame), S2V-01: 6. H3 models: 4-15,
    /// default 5; MiniMax-H3-Max from 5.
    #[schemars(range(min = 1, max = 60))]
    pub(crate) duration: Option<u32>,
    /// Default 768P (T2V-01, I2V-01, S2V-01: only 720P). Hailuo also 1080P (6 s only); 512P: only MiniMax-Hailuo-02
    /// with first_frame_image. 2K: only MiniMax-H3. 480P: only MiniMax-H3-Max (then the default; $0.05 or ¥0.33 a
    /// second), MiniMax-H3-Lite.
    #[schemars(extend("enum" = ["480P", "512P", "720P", "768P", "1080P", "2K"]))]
    pub(crate) resolution: Option<String>,
    /// H3 models only (Hailuo: shape of the first frame). Default 16:9; with references adaptive (shape of the media),
    /// MiniMax-H3-Lite 16:9. Not with frames.
    #[schemars(extend("enum" = ["adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"]))]
    pub(crate) ratio: Option<String>,
    /// MiniMax rewrites the prompt, default true; not H3 models (see prompt_expansion, enhance_video_prompt).
    pub(crate) prompt_optimizer: Option<bool>,
    /// true: rewrites the prompt quicker; MiniMax-Hailuo-2.3, 2.3-Fast and 02 only.
    pub(crate) fast_pretreatment: Option<bool>,
    /// How much the prompt is enriched (quality: most), MiniMax-H3-Max only. Default balanced.
    pub(crate) prompt_expansion: Option<Expansion>,
    /// true: MiniMax's AI mark.
    #[serde(default)]
    pub(crate) watermark: bool,
    /// https address that MiniMax notifies.
    pub(crate) callback_url: Option<String>,
    #[serde(flatten)]
    pub(crate) job: JobOptions,
}

/// The model, mode, API, resolution and length that the arguments choose.
#[derive(Debug)]
pub(crate) struct VideoChoice {
    pub(crate) model: String,
    pub(crate) row: Option<&'static VideoModel>,
    pub(crate) mode: Mode,
    pub(crate) protocol: Protocol,
    pub(crate) resolution: Option<String>,
    pub(crate) duration: Option<u32>,
    pub(crate) warnings: Vec<String>,
}

impl VideoInput {
    /// Chooses model, mode, resolution and duration, and checks them against each other.
    pub(crate) fn choose(
        &self,
        default_model: Option<&str>,
        currency: Currency,
        names: ModelNames,
    ) -> Result<VideoChoice, ToolError> {
        let mode = self.mode()?;
        let mut warnings = Vec::new();
        let model = self.choose_model(mode, default_model, (names, currency), &mut warnings)?;
        let row = facts().video(&model);
        let protocol = row.map_or_else(|| facts().protocol_of_unknown(&model), |row| row.protocol);
        let Some(row) = row else {
            warnings.push(unknown_model(&model));
            let (resolution, duration) = (self.resolution.clone(), self.duration);
            return Ok(VideoChoice { model, row: None, mode, protocol, resolution, duration, warnings });
        };
        let Some(sizes) = row.modes.get(&mode) else {
            let able: Vec<_> = facts().video_models(mode).collect();
            let problem = format!("is {model}, which cannot do {}; {} can", mode.words(), able.join(", "));
            return Err(ToolError::argument("model", problem));
        };
        if row.doubtful.contains(&mode) {
            warnings.push(format!("MiniMax's documents disagree on whether {model} can do {}", mode.words()));
        }
        let (resolution, duration) = self.size(row, sizes, currency)?;
        let (resolution, duration) = (Some(resolution), Some(duration));
        Ok(VideoChoice { model, row: Some(row), mode, protocol, resolution, duration, warnings })
    }

    fn mode(&self) -> Result<Mode, ToolError> {
        let references = [&self.reference_images, &self.reference_videos, &self.reference_audios];
        let has_references = references.into_iter().flatten().any(|list| !list.is_empty());
        let has_frames = self.first_frame_image.is_some() || self.last_frame_image.is_some();
        if has_references && has_frames {
            let problem = "and the other references exclude first_frame_image and last_frame_image";
            return Err(ToolError::argument("reference_images", problem));
        }
        if self.subject_reference.is_some() && (has_frames || has_references) {
            let problem =
                "excludes frames and references; for several people use reference_images with MiniMax-H3";
            return Err(ToolError::argument("subject_reference", problem));
        }
        Ok(match () {
            () if has_references => Mode::Reference,
            () if self.subject_reference.is_some() => Mode::Subject,
            () if self.last_frame_image.is_some() => Mode::LastFrame,
            () if self.first_frame_image.is_some() => Mode::FirstFrame,
            () => Mode::Text,
        })
    }

    /// The model. A call that names no model gets one that can do what it asks. Models without a known price are not
    /// chosen.
    fn choose_model(
        &self,
        mode: Mode,
        default: Option<&str>,
        (names, currency): (ModelNames, Currency),
        warnings: &mut Vec<String>,
    ) -> Result<String, ToolError> {
        if let Some(model) = &self.model {
            return names.named(ModelKind::Video, model);
        }
        let by_mode = facts().video_default(mode);
        let usual = default.map_or_else(|| facts().video_default(Mode::Text).to_owned(), |it| names.sent(it));
        let protocol = facts().video(&usual).map(|row| row.protocol);
        let (same, other): (Vec<_>, Vec<_>) = facts()
            .video_rows()
            .iter()
            .filter(|row| row.modes.contains_key(&mode) && row.price_list(currency).is_some())
            .partition(|row| Some(row.protocol) == protocol);
        let others = [by_mode].into_iter().chain(same.into_iter().chain(other).map(|row| row.model.as_str()));
        let (model, notes) = fitting(usual, others, |model| self.lack(facts().video(model)?, mode));
        warnings.extend(notes);
        Ok(model)
    }

    /// What the call asks for and the model cannot do.
    fn lack(&self, row: &VideoModel, mode: Mode) -> Option<String> {
        let Some(sizes) = row.modes.get(&mode) else { return Some(format!("cannot do {}", mode.words())) };
        let is_v2 = row.protocol == Protocol::V2;
        let options = [
            ("ratio", self.ratio.is_some() && !is_v2),
            ("prompt_expansion", self.prompt_expansion.is_some() && !row.prompt_expansion),
            ("prompt_optimizer", self.prompt_optimizer.is_some() && is_v2),
            ("fast_pretreatment", self.fast_pretreatment.is_some() && !row.fast_pretreatment),
        ];
        if let Some((option, _)) = options.iter().find(|(_, lacks)| *lacks) {
            return Some(format!("does not take {option}"));
        }
        // A duration alone does not choose another model: the refusal names the allowed ones.
        let wanted = self.resolution.as_deref()?.trim();
        let has = sizes.iter().any(|size| size.resolution.eq_ignore_ascii_case(wanted));
        (!has).then(|| format!("does not make {wanted}"))
    }

    /// Resolution and duration. The error for a pair that is not allowed names the nearest allowed pairs, with their
    /// prices.
    fn size(&self, row: &VideoModel, sizes: &[Size], currency: Currency) -> Result<(String, u32), ToolError> {
        let model = &row.model;
        let same = |size: &Size, wanted: &str| size.resolution.eq_ignore_ascii_case(wanted.trim());
        let size = match &self.resolution {
            Some(wanted) => sizes.iter().find(|size| same(size, wanted)),
            // A duration without a resolution picks the first resolution that allows it.
            None => {
                sizes.iter().find(|size| self.duration.is_none_or(|wanted| size.durations.contains(&wanted)))
            }
        };
        let legal = || {
            let rows =
                sizes.iter().map(|size| format!("{} with {}", size.resolution, listed(&size.durations)));
            rows.collect::<Vec<_>>().join(", ")
        };
        let Some(size) = size else {
            let (field, value) = match &self.resolution {
                Some(wanted) => ("resolution", wanted.clone()),
                None => ("duration", self.duration.unwrap_or_default().to_string()),
            };
            return Err(ToolError::argument(field, format!("is {value}; {model} takes {}", legal())));
        };
        let usual = if row.protocol == Protocol::V2 { 5 } else { 6 };
        let first = size.durations.first().copied().unwrap_or(usual);
        let duration = self.duration.unwrap_or(if size.durations.contains(&usual) { usual } else { first });
        if size.durations.contains(&duration) {
            return Ok((size.resolution.clone(), duration));
        }
        let (resolution, images) = (&size.resolution, self.images());
        if !sizes.iter().any(|size| size.durations.contains(&duration)) {
            return Err(ToolError::argument("duration", format!("is {duration}; {model} takes {}", legal())));
        }
        // Each value is allowed, but not together.
        let priced = |resolution: &str, seconds: u32| {
            let price = row.price(resolution, seconds, images, currency);
            let price = price.map(|price| format!(" ({price})")).unwrap_or_default();
            format!("{resolution} with {seconds} s{price}")
        };
        let nearest = size.durations.iter().copied().min_by_key(|seconds| seconds.abs_diff(duration));
        let shorter = nearest.map(|seconds| priced(resolution, seconds));
        let others = sizes.iter().filter(|size| size.durations.contains(&duration));
        let ways: Vec<_> =
            shorter.into_iter().chain(others.map(|size| priced(&size.resolution, duration))).collect();
        let problem = format!(
            "{duration} and resolution {resolution} cannot be combined by {model}; use {}",
            ways.join(" or ")
        );
        Err(ToolError::argument("duration", problem))
    }

    /// Refuses arguments that the model ignores, so that the user does not pay for something else.
    pub(crate) fn refuse(model: &str, useless: &[(&str, bool)], why: &str) -> Result<(), ToolError> {
        match useless.iter().find(|(_, given)| *given) {
            Some((field, _)) => {
                Err(ToolError::argument(*field, format!("cannot be given for {model}: {why}")))
            }
            None => Ok(()),
        }
    }

    /// An input with only a model and a prompt.
    pub(crate) fn plain(model: Option<String>, prompt: Option<String>, job: JobOptions) -> Self {
        Self {
            prompt,
            model,
            first_frame_image: None,
            last_frame_image: None,
            subject_reference: None,
            reference_images: None,
            reference_videos: None,
            reference_audios: None,
            duration: None,
            resolution: None,
            ratio: None,
            prompt_optimizer: None,
            fast_pretreatment: None,
            prompt_expansion: None,
            watermark: false,
            callback_url: None,
            job,
        }
    }

    /// Whether there are reference videos, whose length is billed and unknown.
    pub(crate) fn has_videos(&self) -> bool {
        self.reference_videos.as_ref().is_some_and(|videos| !videos.is_empty())
    }

    /// The same input as a dry run, which uploads nothing.
    pub(crate) fn rehearsed(&self) -> Self {
        Self { job: JobOptions { dry_run: true, ..self.job.clone() }, ..self.clone() }
    }

    /// Whether this is a dry run.
    pub(crate) fn is_dry(&self) -> bool {
        self.job.dry_run
    }

    pub(crate) fn images(&self) -> u32 {
        let frames = [&self.first_frame_image, &self.last_frame_image].into_iter().flatten().count();
        let references = self.reference_images.as_ref().map_or(0, Vec::len);
        u32::try_from(frames + references).unwrap_or(u32::MAX)
    }
}

fn listed(durations: &[u32]) -> String {
    match durations {
        [first, .., last] if durations.len() > 3 => format!("{first}-{last} s"),
        _ => durations.iter().map(|seconds| format!("{seconds} s")).collect::<Vec<_>>().join(" or "),
    }
}

impl VideoChoice {
    /// Length and size, for the question to a person.
    pub(super) fn details(&self) -> String {
        let length = self.duration.map(|seconds| format!("{seconds} s"));
        [length, self.resolution.clone()].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    pub(super) fn cost(&self, input: &VideoInput, currency: Currency) -> Cost {
        let mut cost = Cost::unknown(currency);
        let (Some(row), Some(resolution), Some(duration)) = (self.row, &self.resolution, self.duration)
        else {
            return cost;
        };
        let price = |seconds, images| row.price(resolution, seconds, images, currency);
        cost.estimated = price(duration, input.images());
        let as_of = &facts().as_of;
        if self.protocol == Protocol::V1 {
            cost.unit = cost.estimated;
            cost.basis = cost
                .unit
                .map(|unit| format!("{unit} a clip of {duration} s at {resolution}, prices of {as_of}"));
            return cost;
        }
        cost.unit = price(1, 0);
        let with_images = price(1, input.images());
        cost.fixed = with_images.zip(cost.unit).map(|(with, without)| with.left_after(without));
        cost.basis = cost.unit.map(|unit| format!("{unit} a second at {resolution}, prices of {as_of}"));
        if input.has_videos() {
            // Seconds of reference videos are billed too. MiniMax counts them, so the bound is what it accepts.
            let videos = input.reference_videos.as_ref().map_or(0, Vec::len);
            let most = u32::try_from(videos).unwrap_or(u32::MAX).saturating_mul(LONGEST_REFERENCE);
            cost.most = price(duration.saturating_add(most), input.images());
            cost.estimated = None;
            cost.basis =
                cost.basis.map(|basis| format!("{basis}; seconds of reference videos cost the same"));
        }
        cost
    }
}
