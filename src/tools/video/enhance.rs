//! `enhance_video_prompt` and `regenerate_video`, of the H3 family.
//!
//! Both take inputs of `generate_video`, so they convert their arguments and use its checks.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::video_extras::{Enrich, Regenerate, Source};
use crate::api::video_v2::{Content, MediaUrl, Role, VideoV2Submit};
use crate::config::Toolset;
use crate::facts::facts;
use crate::jobs::Cost;
use crate::mcp::inputs::Takes;
use crate::mcp::model_name::ModelNames;
use crate::mcp::{Bill, Draft, JobOptions, Server, Shown, ToolError, ToolSpec};
use crate::media::Limits;
use crate::money::{Currency, Decimal};
use crate::result::job_view::JobView;
use crate::tools::video::input::VideoInput;
use crate::tools::video::original::Original;
use crate::tools::video::{original, v2};

pub(crate) const TOOLS: &[ToolSpec] = &[
    ToolSpec {
        slow: true,
        lengths: &[("prompt", 7000)],
        shown: Shown::AsText,
        ..ToolSpec::job("enhance_video_prompt", Toolset::Video)
    },
    ToolSpec {
        slow: true,
        lengths: &[("prompt", 40_000)],
        ..ToolSpec::job("regenerate_video", Toolset::Video)
    },
];

/// Video Regeneration > content > text: enriched prompts are long.
const ENRICHED_LIMIT: usize = 40_000;

/// The questions to a person before a purchase.
const ENHANCE: &str = "Enhance this video prompt";
const REGENERATE: &str = "Make this video again in 2K";

/// The longest reference video, in seconds.
const LONGEST_REFERENCE: f64 = 15.0;

/// The longest video that can be made again, in seconds, by its frames.
const LONGEST_BASE: f64 = 15.1;

/// Video Regeneration > base_video: 107 to 362 frames at 24 a second, with a margin for the sound track.
const BASE: Takes = Takes {
    limits: Limits {
        multiple_of: Some(32),
        area: Some((589_824, 1_032_192)),
        duration_ms: Some((4_400, 15_200)),
        ..Limits::new(&["video/mp4", "video/quicktime"], 50 * 1024 * 1024)
    },
    uploads: Some(v2::UPLOADS),
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct EnhanceInput {
    /// The short prompt, up to 7,000 characters.
    prompt: String,
    /// MiniMax-H3 only (default).
    model: Option<String>,
    /// First image: path, URL or minimax://. Excludes reference_*.
    first_frame_image: Option<String>,
    /// Last image. Excludes reference_*.
    last_frame_image: Option<String>,
    /// Up to 9 images to draw on.
    reference_images: Option<Vec<String>>,
    /// Up to 3 clips, 15 s together.
    reference_videos: Option<Vec<String>>,
    /// Up to 3 sounds, beside other reference_*.
    reference_audios: Option<Vec<String>>,
    /// Planned seconds, 4-15, default 5.
    #[schemars(range(min = 4, max = 15))]
    duration: Option<u32>,
    /// Planned shape, default 16:9 (adaptive with reference_*). Not with frames.
    #[schemars(extend("enum" = ["adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"]))]
    ratio: Option<String>,
    /// https address that MiniMax notifies.
    callback_url: Option<String>,
    #[serde(flatten)]
    job: JobOptions,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct RegenerateInput {
    /// Id of the generate_video job.
    pub(crate) job_id: Option<String>,
    /// MiniMax's id, in place of job_id.
    pub(crate) task_id: Option<String>,
    /// Without an id: the original prompt, up to 40,000 characters; needs video.
    prompt: Option<String>,
    /// With prompt: the 768P video.
    video: Option<String>,
    /// With prompt: its first frame.
    first_frame_image: Option<String>,
    /// With prompt: its last frame.
    last_frame_image: Option<String>,
    /// With prompt: its images; not with frames.
    reference_images: Option<Vec<String>>,
    /// With prompt: its clips; not with frames.
    reference_videos: Option<Vec<String>>,
    /// With prompt: its sounds, beside reference_*.
    reference_audios: Option<Vec<String>>,
    #[serde(flatten)]
    pub(crate) job: JobOptions,
}

#[tool_router(router = video_extra_tools, vis = "pub(crate)")]
impl Server {
    /// Write a richer prompt for a MiniMax-H3 video, to read before generate_video. Otherwise use its prompt_optimizer
    /// (Hailuo) or prompt_expansion (MiniMax-H3-Max). Costs money.
    #[tool(
        title = "Enhance video prompt",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn enhance_video_prompt(
        &self,
        Parameters(input): Parameters<EnhanceInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.job.dry_run {
            self.checkout.ready()?;
        }
        let currency = self.config().currency();
        let video = input.into_video();
        let choice = video.choose(None, currency, ModelNames::of(self))?;
        let able = &facts().context_ir().models;
        if choice.row.is_some_and(|row| !able.contains(&row.model)) {
            let problem = format!("is {}, which enriches no prompts; {} does", choice.model, able.join(", "));
            return Err(ToolError::argument("model", problem));
        }
        let cost = enrich_cost(currency);
        if self.checkout.budget.is_limited() && !video.is_dry() {
            v2::submit(self, &video.rehearsed(), &choice).await?;
            let bill = Bill {
                tool: "enhance_video_prompt",
                question: ENHANCE,
                model: &choice.model,
                prompt: video.prompt.as_deref().unwrap_or_default(),
                details: "",
                cost: &cost,
            };
            self.checkout.budget.admit(&bill, &call).await?;
        }
        let VideoV2Submit { model, content, duration, ratio, callback_url, .. } =
            v2::submit(self, &video, &choice).await?;
        let draft = Draft {
            prompt: video.prompt.clone().unwrap_or_default(),
            question: ENHANCE,
            details: String::new(),
            cost,
            order: Box::new(Enrich { model: model.clone(), content, duration, ratio, callback_url }),
            model,
            warnings: choice.warnings,
        };
        self.checkout.buy("enhance_video_prompt", draft, video.job, &call).await
    }

    /// Make a finished 768P MiniMax-H3 video, at most 7 days old, again in 2K: by job_id, task_id, or prompt,
    /// video and the original inputs. Needs MiniMax's permission. Costs money.
    #[tool(
        title = "Regenerate video",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn regenerate_video(
        &self,
        Parameters(input): Parameters<RegenerateInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.job.dry_run {
            self.checkout.ready()?;
        }
        let model = facts().regeneration().models.first().cloned().unwrap_or_default();
        let currency = self.config().currency();
        if input.by_task()? {
            let original =
                original::find(self, input.job_id.as_deref(), input.task_id.as_deref(), input.job.dry_run)
                    .await?;
            let Original { task_id, prompt, seconds, images, warnings } = original;
            let source = Source::SourceTaskId(task_id);
            let order = Box::new(Regenerate { model: model.clone(), source, resolution: "2K" });
            let cost = regenerate_cost(seconds, images, currency);
            let details = length_words(seconds);
            let draft = Draft { order, model, prompt, question: REGENERATE, details, cost, warnings };
            return self.checkout.buy("regenerate_video", draft, input.job, &call).await;
        }
        let Some(base) = input.video.clone() else {
            let problem = "is missing: give the 768P video beside its prompt, or job_id or task_id alone";
            return Err(ToolError::argument("video", problem));
        };
        let video = input.into_video(model);
        let seconds = self.inputs.length_of(&base, &BASE.limits).await;
        let choice = video.choose(None, currency, ModelNames::of(self))?;
        let mut cost = regenerate_cost(seconds.filter(|_| !video.has_videos()), video.images(), currency);
        // The length that a file claims is not the length that MiniMax counts, and reference videos are billed too.
        let videos = video.reference_videos.as_ref().map_or(0, Vec::len);
        let references = f64::from(u32::try_from(videos).unwrap_or(u32::MAX)) * LONGEST_REFERENCE;
        let longest =
            Decimal::measured(LONGEST_BASE + references).filter(|_| is_priced(video.images(), currency));
        let most = longest.and_then(|seconds| cost.of(seconds));
        cost.most = match (most, cost.estimated) {
            (Some(most), Some(estimated)) if most.is_within(estimated) => Some(estimated),
            _ => most,
        };
        let details = length_words(seconds);
        if self.checkout.budget.is_limited() && !video.is_dry() {
            again(self, &video.rehearsed(), &base).await?;
            let bill = Bill {
                tool: "regenerate_video",
                question: REGENERATE,
                model: &choice.model,
                prompt: video.prompt.as_deref().unwrap_or_default(),
                details: &details,
                cost: &cost,
            };
            self.checkout.budget.admit(&bill, &call).await?;
        }
        let content = again(self, &video, &base).await?;
        let source = Source::Content(content);
        let draft = Draft {
            order: Box::new(Regenerate { model: choice.model.clone(), source, resolution: "2K" }),
            prompt: video.prompt.clone().unwrap_or_default(),
            question: REGENERATE,
            details,
            model: choice.model,
            cost,
            warnings: choice.warnings,
        };
        self.checkout.buy("regenerate_video", draft, video.job, &call).await
    }
}

/// The original inputs, followed by the video.
async fn again(server: &Server, video: &VideoInput, base: &str) -> Result<Vec<Content>, ToolError> {
    let choice = video.choose(None, server.config().currency(), ModelNames::of(server))?;
    v2::check(video, &choice, ENRICHED_LIMIT)?;
    let mut content = v2::content(server, video).await?;
    let url = server.inputs.resolve("video", base, &BASE, video.is_dry()).await?;
    content.push(Content::VideoUrl { video_url: MediaUrl { url }, role: Role::BaseVideo });
    v2::check_bytes(&content)?;
    Ok(content)
}

impl EnhanceInput {
    fn into_video(self) -> VideoInput {
        let model = self.model.or_else(|| facts().context_ir().models.first().cloned());
        VideoInput {
            first_frame_image: self.first_frame_image,
            last_frame_image: self.last_frame_image,
            reference_images: self.reference_images,
            reference_videos: self.reference_videos,
            reference_audios: self.reference_audios,
            duration: self.duration,
            ratio: self.ratio,
            callback_url: self.callback_url,
            ..VideoInput::plain(model, Some(self.prompt), self.job)
        }
    }
}

impl RegenerateInput {
    /// True for only a task, false for only inputs. Anything else is an error.
    fn by_task(&self) -> Result<bool, ToolError> {
        let listed = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let inputs = [
            ("prompt", self.prompt.is_some()),
            ("video", self.video.is_some()),
            ("first_frame_image", self.first_frame_image.is_some()),
            ("last_frame_image", self.last_frame_image.is_some()),
            ("reference_images", listed(&self.reference_images)),
            ("reference_videos", listed(&self.reference_videos)),
            ("reference_audios", listed(&self.reference_audios)),
        ];
        let other = inputs.iter().find(|(_, given)| *given).map(|(field, _)| *field);
        match (&self.job_id, &self.task_id, other) {
            (Some(_), Some(_), _) => {
                Err(ToolError::argument("task_id", "excludes job_id; give one of the two"))
            }
            (Some(_), None, Some(field)) | (None, Some(_), Some(field)) => {
                Err(ToolError::argument(field, "excludes job_id and task_id: a task brings its own inputs"))
            }
            (None, None, None) => {
                Err(ToolError::argument("job_id", "is missing: give job_id, or task_id, or prompt and video"))
            }
            (None, None, Some(_)) => Ok(false),
            _ => Ok(true),
        }
    }

    fn into_video(self, model: String) -> VideoInput {
        VideoInput {
            first_frame_image: self.first_frame_image,
            last_frame_image: self.last_frame_image,
            reference_images: self.reference_images,
            reference_videos: self.reference_videos,
            reference_audios: self.reference_audios,
            ..VideoInput::plain(Some(model), self.prompt, self.job)
        }
    }
}

/// The length of the prompt is unknown beforehand, so there are only unit prices.
fn enrich_cost(currency: Currency) -> Cost {
    let row = facts().context_ir();
    let prices = row.per_million_in.in_currency(currency).zip(row.per_million_out.in_currency(currency));
    let Some((read, written)) = prices else {
        return Cost::unknown(currency);
    };
    let (out, as_of) = (written.amount(), &facts().as_of);
    let basis = format!("{read} in, {out} out a million tokens, prices of {as_of}");
    Cost {
        unit: Some(written.per(1_000_000)),
        input: Some(read.per(1_000_000)),
        basis: Some(basis),
        ..Cost::unknown(currency)
    }
}

/// The length of a video, for the question to a person.
fn length_words(seconds: Option<f64>) -> String {
    seconds.map(|seconds| format!("{seconds:.0} s")).unwrap_or_default()
}

/// Whether all parts of a price are known. A billed image without a known price makes the total unknown.
fn is_priced(images: u32, currency: Currency) -> bool {
    let row = facts().regeneration();
    images <= row.free_images || row.per_image.in_currency(currency).is_some()
}

fn regenerate_cost(seconds: Option<f64>, images: u32, currency: Currency) -> Cost {
    let row = facts().regeneration();
    let unit = row.per_second.in_currency(currency);
    let extra = images.saturating_sub(row.free_images);
    let mut cost = Cost {
        unit,
        fixed: row.per_image.in_currency(currency).and_then(|each| each.times(extra)),
        basis: unit.map(|unit| format!("{unit} a second, prices of {}", facts().as_of)),
        ..Cost::unknown(currency)
    };
    let seconds = seconds.filter(|_| is_priced(images, currency)).and_then(Decimal::measured);
    cost.estimated = seconds.and_then(|seconds| cost.of(seconds));
    cost
}
