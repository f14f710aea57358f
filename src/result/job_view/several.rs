//! Several jobs in one result, below the same limit of 64 KiB as one job.

use rmcp::ErrorData;
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::model::{CallToolResponse, CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

use super::bounds::shorten;
use super::{ErrorView, JobView, Says};
use crate::result::Report;

/// The most bytes of a result, with room for the message around it.
const WHOLE: usize = 60 * 1024;

/// The steps that shorten the views, in the order in which they are tried.
const SMALLER: [fn(&mut JobView); 3] = [without_links, brief, briefest];

/// The answer of `get_job`: one job, or one view for each of several.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct JobAnswer {
    #[serde(flatten)]
    view: JobView,
    /// One for each id of job_ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    jobs: Vec<JobView>,
    // What to do now in the text, whose lines have the ids.
    #[serde(skip)]
    told: String,
}

impl JobAnswer {
    pub(crate) fn schema() -> Arc<JsonObject> {
        schema_for_output::<Self>()
    }

    pub(crate) fn one(view: JobView) -> Self {
        Self { view, jobs: Vec::new(), told: String::new() }
    }

    /// The views of several jobs, with the ids of those that have not ended.
    pub(crate) fn several(jobs: Vec<JobView>, open: &[String]) -> Self {
        let (all, failed) = (jobs.len(), jobs.iter().filter(|job| job.says == Says::Failure).count());
        let failures = if failed > 0 { format!(", {failed} of them with an error") } else { String::new() };
        let next = |others: &str| {
            if open.is_empty() {
                return format!("All {all} have ended{failures}.");
            }
            let ended = all.saturating_sub(open.len());
            format!(
                "{ended} of {all} have ended{failures}. Call get_job with {others} to wait for the others; they continue \
                 regardless."
            )
        };
        let (told, next) =
            (next("the job_ids that still run"), next(&format!("job_ids {}", open.join(", "))));
        let says = if failed == all { Says::Failure } else { Says::Success };
        Self { view: JobView { next, says, ..JobView::default() }, jobs, told }
    }

    fn result(&self) -> Result<CallToolResult, ErrorData> {
        let report = self.jobs.iter().fold(Report::default(), |report, job| {
            let links = job.files.iter().map(super::FileView::link);
            links.fold(report.lines([job.brief_lines()]), |report, link| report.file([], Some(link)))
        });
        report.next(&self.told).failed(self.view.says == Says::Failure).result(self)
    }
}

impl IntoCallToolResult for JobAnswer {
    fn into_call_tool_result(mut self) -> Result<CallToolResponse, ErrorData> {
        if self.jobs.is_empty() {
            return self.view.into_call_tool_result();
        }
        let mut result = self.result()?;
        for smaller in SMALLER {
            if serde_json::to_string(&result).is_ok_and(|text| text.len() <= WHOLE) {
                break;
            }
            self.jobs.iter_mut().for_each(smaller);
            result = self.result()?;
        }
        Ok(result.into())
    }
}

impl JobView {
    /// The view of an id that could not be shown.
    pub(crate) fn missing(id: &str, error: ErrorView, next: String) -> Self {
        let id = crate::telemetry::display(id, 64);
        Self { job_id: Some(id), ..Self::error(error, next) }
    }

    /// The view as one of several.
    fn brief_lines(&self) -> String {
        let error = self.error.as_ref().map(|error| error.lines(&self.next));
        let (mut content, facts) = self.told().next(error.unwrap_or_default()).texts();
        shorten(&mut content, 200);
        let lines = facts.lines().chain(content.lines());
        lines.collect::<Vec<_>>().join("\n  ")
    }
}

/// Leaves out facts that a caller with the saved file does not need.
fn without_links(view: &mut JobView) {
    view.usage = None;
    for file in &mut view.files {
        file.sha256 = None;
        if file.path.is_some() || file.download_url.is_some() {
            (file.url, file.url_expires_at) = (None, None);
        }
    }
}

fn brief(view: &mut JobView) {
    let cut = view.text.as_mut().is_some_and(|text| shorten(text, 300)) || view.files.len() > 1;
    view.files.truncate(1);
    view.warnings.truncate(2);
    view.warnings.iter_mut().for_each(|warning| {
        shorten(warning, 200);
    });
    if let Some(error) = &mut view.error {
        shorten(&mut error.message, 400);
    }
    if cut {
        view.warnings.push("get_job with this job_id alone shows all of it".to_owned());
    }
}

fn briefest(view: &mut JobView) {
    (view.text, view.cost) = (None, None);
    view.files.clear();
    view.warnings.truncate(0);
    view.warnings.push("get_job with this job_id alone shows all of it".to_owned());
    shorten(&mut view.next, 200);
    if let Some(error) = &mut view.error {
        shorten(&mut error.message, 200);
    }
}

#[cfg(test)]
mod tests {
    use super::super::bounds::tests::large;
    use super::*;

    #[test]
    fn twenty_large_jobs_fit_into_one_result() {
        for text in ["x", "你", "\"\n"] {
            let views =
                (0..20).map(|n| JobView { job_id: Some(format!("job-{n}")), ..large(text).bounded() });
            let answer = JobAnswer::several(views.collect(), &["job-3".to_owned()]);
            let Ok(CallToolResponse::Complete(result)) = answer.into_call_tool_result() else { panic!() };
            let whole = serde_json::to_string(&result).unwrap();
            assert!(whole.len() < 64 * 1024, "{}", whole.len());
            let said = &result.content[0].as_text().unwrap().text;
            for n in 0..20 {
                assert!(said.contains(&format!("job-{n}")), "{n}");
            }
            assert!(
                said.ends_with(
                    "with the job_ids that still run to wait for the others; they continue regardless."
                ),
                "{said}"
            );
        }
    }
}
