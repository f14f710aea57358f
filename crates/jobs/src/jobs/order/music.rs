//! Music.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Order;
use super::outcome::{Made, Outcome, recorded, sound};
use crate::api::music::{CoverReference, MusicSubmit};
use crate::api::{Accepted, ApiError, Client};
use crate::rate_limit::group;
use crate::store::{JobFile, Kind};

impl Order for MusicSubmit {
    fn kind(&self) -> Kind {
        Kind::Music
    }

    fn group(&self) -> &'static str {
        group::MUSIC
    }

    fn record(&self) -> Value {
        recorded(self)
    }

    fn send<'a>(&'a mut self, api: &'a Client) -> BoxFuture<'a, Result<Outcome, ApiError>> {
        compose(api, self).boxed()
    }
}

/// A cover with new lyrics needs a preprocessing request first. That request is free, so its failure buys nothing.
async fn compose(api: &Client, submit: &MusicSubmit) -> Result<Outcome, ApiError> {
    let mut submit = submit.clone();
    if let (Some(audio), Some(_)) = (&submit.reference, &submit.lyrics) {
        let feature = api.preprocess_cover(&submit.model, audio).await.map_err(nothing_bought)?;
        submit.reference = Some(CoverReference::CoverFeatureId(feature));
        #[cfg(feature = "crash-points")]
        crate::crash::point("preprocess.after");
    }
    let song = api.make_music(&submit).await?;
    let (extension, mime) = submit.audio_setting.format.file();
    let file = JobFile {
        name: format!("music.{extension}"),
        mime_type: mime.to_owned(),
        duration_ms: song.length_ms,
        ..JobFile::default()
    };
    Ok(Outcome::Made(Made {
        units: Some(1_u32.into()),
        usage: song.usage,
        cut: song.cut,
        ..sound(file, song.audio)
    }))
}

/// The error of a free request that precedes the paid one: the paid request has not left.
fn nothing_bought(error: ApiError) -> ApiError {
    match (error.accepted(), &error) {
        (
            Accepted::Unknown,
            ApiError::Lost { at, .. } | ApiError::Shape { at, .. } | ApiError::Refused { at, .. },
        ) => ApiError::Unsent { at: at.clone(), why: error.to_string() },
        _ => error,
    }
}
