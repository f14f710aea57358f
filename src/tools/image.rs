//! `text_to_image`.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::image::{ImageSubmit, Style, StyleType, Subject};
use crate::config::Toolset;
use crate::facts::{ImageModel, ModelKind, facts};
use crate::jobs::Cost;
use crate::mcp::ToolSpec;
use crate::mcp::inputs::Takes;
use crate::mcp::model_name::{ModelNames, fitting, unknown_model};
use crate::mcp::{Draft, JobOptions, Server, ToolError};
use crate::media::Limits;
use crate::money::Currency;
use crate::result::job_view::JobView;
use crate::telemetry::is_blank;

pub(crate) const TOOLS: &[ToolSpec] =
    &[ToolSpec { lengths: &[("prompt", 1500)], ..ToolSpec::job("text_to_image", Toolset::Image) }];

/// Image Generation > prompt.
const PROMPT_LIMIT: usize = 1500;

/// Image Generation > subject_reference.
const SUBJECT: Takes =
    Takes { limits: Limits::new(&["image/jpeg", "image/png"], 10 * 1024 * 1024), uploads: None };

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct ImageInput {
    /// What to show, up to 1,500 characters.
    prompt: String,
    /// image-01 (default), or image-01-live (default with style).
    model: Option<String>,
    /// Shape, default 1:1. 21:9 with image-01 only. Excludes width and height.
    #[schemars(extend("enum" = ["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"]))]
    aspect_ratio: Option<String>,
    /// Pixels, 512-2048, a multiple of 8; with height; image-01 only. Excludes aspect_ratio.
    #[schemars(range(min = 512, max = 2048))]
    width: Option<u32>,
    /// Pixels, as width and together with it; image-01 only.
    #[schemars(range(min = 512, max = 2048))]
    height: Option<u32>,
    /// Number of variations, 1-9, default 1; each is billed.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 9))]
    n: u32,
    /// Repeat it for a similar image.
    seed: Option<i64>,
    /// MiniMax rewrites the prompt. Default true.
    #[serde(default = "yes")]
    prompt_optimizer: bool,
    /// Photo of one person whose face to keep, JPEG or PNG below 10 MB: path, URL or minimax://.
    subject_reference: Option<String>,
    /// Drawing style, image-01-live only. Default: none.
    style: Option<StyleType>,
    /// Strength of style (image-01-live), above 0 to 1, default 0.8.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    style_weight: Option<f64>,
    /// true: MiniMax's AI mark.
    #[serde(default)]
    watermark: bool,
    #[serde(flatten)]
    job: JobOptions,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

#[tool_router(router = image_tools, vis = "pub(crate)")]
impl Server {
    /// Make images from a text, or with the face of a photo; takes seconds. Costs money.
    #[tool(
        title = "Text to image",
        output_schema = JobView::schema(),
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    async fn text_to_image(
        &self,
        Parameters(input): Parameters<ImageInput>,
        call: RequestContext<RoleServer>,
    ) -> Result<JobView, ToolError> {
        if !input.job.dry_run {
            self.checkout.ready()?;
        }
        let (mut submit, warnings) =
            input.submit(self.config().defaults.image_model.as_deref(), ModelNames::of(self))?;
        if let Some(text) = &input.subject_reference {
            let image_file =
                self.inputs.resolve("subject_reference", text, &SUBJECT, input.job.dry_run).await?;
            submit.subject_reference = Some(vec![Subject { kind: "character", image_file }]);
        }
        let draft = Draft {
            model: submit.model.clone(),
            prompt: submit.prompt.clone(),
            question: "Make this image",
            details: details(&submit),
            cost: cost(&submit, self.config().currency()),
            order: Box::new(submit),
            warnings,
        };
        self.checkout.buy("text_to_image", draft, input.job, &call).await
    }
}

impl ImageInput {
    /// The request without its media, and warnings.
    fn submit(
        &self,
        default_model: Option<&str>,
        names: ModelNames,
    ) -> Result<(ImageSubmit, Vec<String>), ToolError> {
        let (model, mut warnings) = self.choose_model(default_model, names)?;
        let length = self.prompt.chars().count();
        if is_blank(&self.prompt) || length > PROMPT_LIMIT {
            let problem = format!("has {length} characters; it needs 1 to {PROMPT_LIMIT}");
            return Err(ToolError::argument("prompt", problem));
        }
        self.check_size(&model)?;
        warnings.extend(self.check_model(&model)?);
        let style = self.style.map(|style_type| Style { style_type, style_weight: self.style_weight });
        let submit = ImageSubmit {
            model,
            prompt: self.prompt.clone(),
            aspect_ratio: self.aspect_ratio.clone(),
            width: self.width,
            height: self.height,
            response_format: "url",
            seed: self.seed,
            n: self.n,
            prompt_optimizer: Some(self.prompt_optimizer),
            aigc_watermark: self.watermark.then_some(true),
            style,
            subject_reference: None,
        };
        Ok((submit, warnings))
    }

    /// The model, and warnings. A call that names no model gets one that can do what it asks.
    fn choose_model(
        &self,
        default_model: Option<&str>,
        names: ModelNames,
    ) -> Result<(String, Vec<String>), ToolError> {
        if let Some(model) = &self.model {
            return Ok((names.named(ModelKind::Image, model)?, Vec::new()));
        }
        let usual = names.sent(default_model.unwrap_or(facts().image_default()));
        let all = facts().image_rows().iter().map(|row| row.model.as_str());
        Ok(fitting(usual, all, |model| self.lack(facts().image(model)?)))
    }

    /// What the call asks for and the model cannot do.
    fn lack(&self, row: &ImageModel) -> Option<String> {
        let ratio = self.aspect_ratio.as_ref().filter(|ratio| !row.aspect_ratios.contains(ratio));
        let lacks = [
            (self.style.is_some() && !row.styles).then(|| "has no styles".to_owned()),
            (self.width.is_some() && !row.sizes).then(|| "takes no width and height".to_owned()),
            ratio.map(|ratio| format!("does not take aspect_ratio {ratio}")),
        ];
        lacks.into_iter().flatten().next()
    }

    fn check_size(&self, model: &str) -> Result<(), ToolError> {
        let both = match (self.width, self.height) {
            (None, None) => return Ok(()),
            (Some(width), Some(height)) => [("width", width), ("height", height)],
            (Some(_), None) => return Err(ToolError::argument("height", "is missing: width needs it")),
            (None, Some(_)) => return Err(ToolError::argument("width", "is missing: height needs it")),
        };
        for (name, pixels) in both {
            if !(512..=2048).contains(&pixels) || pixels % 8 != 0 {
                let problem = format!("is {pixels}; must be 512 to 2048 and a multiple of 8");
                return Err(ToolError::argument(name, problem));
            }
        }
        if self.aspect_ratio.is_some() {
            return Err(ToolError::argument(
                "aspect_ratio",
                "excludes width and height; give one of the two",
            ));
        }
        if facts().image(model).is_some_and(|row| !row.sizes) {
            let problem = format!("cannot be given for {model}; use aspect_ratio, or the model image-01");
            return Err(ToolError::argument("width", problem));
        }
        Ok(())
    }

    fn check_model(&self, model: &str) -> Result<Vec<String>, ToolError> {
        if self.style_weight.is_some() && self.style.is_none() {
            return Err(ToolError::argument("style_weight", "needs style"));
        }
        let Some(row) = facts().image(model) else {
            return Ok(vec![unknown_model(model)]);
        };
        if let Some(ratio) = self.aspect_ratio.as_ref().filter(|ratio| !row.aspect_ratios.contains(ratio)) {
            let legal = row.aspect_ratios.join(", ");
            return Err(ToolError::argument("aspect_ratio", format!("is {ratio}; {model} takes {legal}")));
        }
        if self.style.is_some() && !row.styles {
            return Err(ToolError::argument(
                "style",
                format!("cannot be given for {model}; use image-01-live"),
            ));
        }
        Ok(Vec::new())
    }
}

/// Number, size and style, for the question to a person.
fn details(submit: &ImageSubmit) -> String {
    let count = (submit.n > 1).then(|| format!("{} images", submit.n));
    let size = submit.width.zip(submit.height).map(|(width, height)| format!("{width}x{height}"));
    let parts = [count, submit.aspect_ratio.clone(), size].into_iter().flatten();
    parts.collect::<Vec<_>>().join(", ")
}

fn cost(submit: &ImageSubmit, currency: Currency) -> Cost {
    let unit = facts().image(&submit.model).and_then(|row| row.each.in_currency(currency));
    let mut cost = Cost { unit, ..Cost::unknown(currency) };
    cost.estimated = cost.of(submit.n);
    cost.basis = unit.map(|unit| format!("{unit} an image, prices of {}", facts().as_of));
    cost
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn submit(arguments: Value) -> Result<(ImageSubmit, Vec<String>), String> {
        let input: ImageInput = serde_json::from_value(arguments).unwrap();
        input.submit(None, ModelNames::MINIMAX).map_err(|error| error.to_string())
    }

    #[test]
    fn the_error_about_a_bad_combination_names_the_argument_and_a_fix() {
        for (arguments, parts) in [
            (json!({ "prompt": "" }), ["`prompt`", "1 to 1500"]),
            (json!({ "prompt": "x".repeat(1501) }), ["1501", "1 to 1500"]),
            (json!({ "prompt": "x", "width": 512 }), ["`height`", "width needs it"]),
            (json!({ "prompt": "x", "width": 515, "height": 512 }), ["`width`", "multiple of 8"]),
            (
                json!({ "prompt": "x", "width": 512, "height": 512, "aspect_ratio": "1:1" }),
                ["`aspect_ratio`", "one of the two"],
            ),
            (
                json!({ "prompt": "x", "width": 512, "height": 512, "model": "image-01-live" }),
                ["`width`", "image-01"],
            ),
            (
                json!({ "prompt": "x", "aspect_ratio": "21:9", "model": "image-01-live" }),
                ["`aspect_ratio`", "9:16"],
            ),
            (json!({ "prompt": "x", "style": "comic", "model": "image-01" }), ["`style`", "image-01-live"]),
            (json!({ "prompt": "x", "model": "image01" }), ["`model`", "did you mean image-01?"]),
            (json!({ "prompt": "x", "style_weight": 0.5 }), ["`style_weight`", "style"]),
        ] {
            let problem = submit(arguments.clone()).unwrap_err();
            assert!(parts.iter().all(|part| problem.contains(part)), "{arguments}: {problem}");
        }
    }

    #[test]
    fn a_style_without_a_model_chooses_one_that_has_styles() {
        let (chosen, warnings) = submit(json!({ "prompt": "x", "style": "comic" })).unwrap();
        assert_eq!(chosen.model, "image-01-live");
        assert!(warnings[0].contains("image-01-live was used"), "{warnings:?}");
        let problem = submit(json!({ "prompt": "x", "style": "comic", "aspect_ratio": "21:9" })).unwrap_err();
        assert!(problem.contains("`aspect_ratio`") && problem.contains("image-01-live takes"), "{problem}");
    }

    #[test]
    fn an_option_that_the_default_model_lacks_chooses_another_model_but_a_named_model_is_kept() {
        let submit = |arguments: Value| {
            let input: ImageInput = serde_json::from_value(arguments).unwrap();
            input.submit(Some("image-01-live"), ModelNames::MINIMAX).map_err(|error| error.to_string())
        };
        for (asked, lack) in [
            (json!({ "prompt": "x", "width": 512, "height": 512 }), "takes no width and height"),
            (json!({ "prompt": "x", "aspect_ratio": "21:9" }), "does not take aspect_ratio 21:9"),
        ] {
            let (chosen, warnings) = submit(asked.clone()).unwrap();
            assert_eq!(chosen.model, "image-01");
            assert_eq!(warnings, [format!("image-01 was used, because image-01-live {lack}")]);
            let mut named = asked;
            named["model"] = json!("image-01-live");
            assert!(submit(named).is_err());
        }
    }

    #[test]
    fn a_model_that_does_not_exist_yet_is_sent_with_a_warning() {
        let (submit, warnings) =
            submit(json!({ "prompt": "x", "model": "image-02", "aspect_ratio": "21:9" })).unwrap();
        assert_eq!(submit.model, "image-02");
        assert_eq!(warnings.len(), 1);
        assert_eq!(cost(&submit, Currency::Usd).estimated, None);
    }

    #[test]
    fn the_price_is_by_the_image() {
        let (submit, _) = submit(json!({ "prompt": "x", "n": 9 })).unwrap();
        let estimated = |currency| cost(&submit, currency).estimated.unwrap().to_string();
        assert_eq!([Currency::Usd, Currency::Cny].map(estimated), ["$0.0315", "¥0.225"]);
    }
}
