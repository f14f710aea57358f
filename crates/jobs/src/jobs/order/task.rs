//! Tasks at MiniMax: how to poll them, and how a finished task becomes files.

use super::outcome::{HOUR, Made};
use super::speech;
use crate::api::task::{Progress, Ready};
use crate::api::{ApiError, Client};
use crate::money::Decimal;
use crate::store::{JobFile, Route, Task};

/// Asks MiniMax for the state of a task.
pub async fn poll(api: &Client, task: &Task) -> Result<Progress, ApiError> {
    match task.route {
        Route::VideoV1 => api.query_video(&task.id).await,
        Route::VideoV2 => api.query_video_v2(&task.id).await,
        Route::VideoTemplate => api.query_template(&task.id).await,
        Route::SpeechAsync => api.query_long_speech(&task.id).await,
    }
}

/// Turns a finished task into files. For V1, the link takes another request. `None` if MiniMax has no file.
pub async fn collect(api: &Client, route: Route, ready: Ready) -> Result<Option<Made>, ApiError> {
    if route == Route::SpeechAsync {
        return speech::collect(api, ready).await;
    }
    let url = match (&ready.url, &ready.file_id) {
        (Some(url), _) => Some(url.clone()),
        (None, Some(file_id)) => api.retrieve_file(file_id).await?.download_url,
        (None, None) => None,
    };
    if url.is_none() && ready.text.is_none() {
        return Ok(None);
    }
    let life = match route {
        Route::VideoV1 => Some(HOUR),
        Route::VideoTemplate => Some(9 * HOUR),
        // The documents say only "time-limited".
        Route::VideoV2 | Route::SpeechAsync => None,
    };
    let file = url.map(|url| {
        let file = JobFile {
            name: "video.mp4".to_owned(),
            mime_type: "video/mp4".to_owned(),
            file_id: ready.file_id,
            width: ready.width,
            height: ready.height,
            ..JobFile::default()
        };
        file.linked(url, life)
    });
    let count =
        |name: &str| ready.usage.as_ref().and_then(|usage| Decimal::measured(usage.get(name)?.as_f64()?));
    // A V1 clip is one unit; V2 is billed by the second, and a text by its tokens.
    let (units, inputs) = match route {
        Route::VideoV1 => (Some(1_u32.into()), Decimal::default()),
        _ if ready.text.is_some() => (count("completion_tokens"), count("prompt_tokens").unwrap_or_default()),
        _ => (count("total_seconds"), Decimal::default()),
    };
    Ok(Some(Made {
        files: file.into_iter().collect(),
        text: ready.text,
        units,
        inputs,
        usage: ready.usage,
        model: ready.model,
        ..Made::default()
    }))
}
