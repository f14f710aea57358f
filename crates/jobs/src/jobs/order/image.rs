//! Images.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Order;
use super::outcome::{HOUR, Made, Outcome, recorded};
use crate::api::image::ImageSubmit;
use crate::api::{ApiError, Client};
use crate::money::Decimal;
use crate::rate_limit::group;
use crate::response::clip::Clip;
use crate::store::{JobFile, Kind};

impl Order for ImageSubmit {
    fn kind(&self) -> Kind {
        Kind::Image
    }

    fn group(&self) -> &'static str {
        group::IMAGE
    }

    fn record(&self) -> Value {
        recorded(self)
    }

    fn send<'a>(&'a mut self, api: &'a Client) -> BoxFuture<'a, Result<Outcome, ApiError>> {
        generate(api, self).boxed()
    }
}

async fn generate(api: &Client, submit: &ImageSubmit) -> Result<Outcome, ApiError> {
    let images = api.generate_images(submit).await?;
    let (mut files, mut bytes) = (Vec::new(), Vec::new());
    for (index, image) in images.images.into_iter().enumerate() {
        let name = format!("image-{}.jpg", index + 1);
        let file = JobFile { name, mime_type: "image/jpeg".to_owned(), ..JobFile::default() };
        files.push(match image {
            Clip::Link(url) => file.linked(url, Some(24 * HOUR)),
            Clip::Bytes(content) => {
                bytes.push((index, content));
                file
            }
        });
    }
    // An image without a usable link was made all the same, and is billed.
    let made = u32::try_from(files.len()).ok().and_then(|files| files.checked_add(images.unusable));
    Ok(Outcome::Made(Made {
        files,
        missing: images.failed,
        bytes,
        unusable: images.unusable,
        odd: images.odd,
        trace_id: images.trace_id,
        units: made.map(Decimal::from),
        usage: images.usage,
        ..Made::default()
    }))
}
