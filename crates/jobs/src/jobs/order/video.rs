//! Videos, and prompts that MiniMax enriches.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Order;
use super::outcome::{Outcome, recorded};
use crate::api::template::TemplateSubmit;
use crate::api::video::VideoSubmit;
use crate::api::video_extras::{Enrich, Regenerate};
use crate::api::video_v2::VideoV2Submit;
use crate::api::{ApiError, Client};
use crate::rate_limit::group;
use crate::store::{Kind, Route, Task};

/// An order that MiniMax answers with only a task id.
macro_rules! task_order {
    ($submit:ty, $kind:expr, $group:expr, $route:expr, $send:ident) => {
        impl Order for $submit {
            fn kind(&self) -> Kind {
                $kind
            }

            fn group(&self) -> &'static str {
                $group
            }

            fn is_task(&self) -> bool {
                true
            }

            fn record(&self) -> Value {
                recorded(self)
            }

            fn send<'a>(&'a mut self, api: &'a Client) -> BoxFuture<'a, Result<Outcome, ApiError>> {
                let sending =
                    async { api.$send(self).await.map(|id| Outcome::Task(Task { route: $route, id })) };
                sending.boxed()
            }
        }
    };
}

task_order!(VideoSubmit, Kind::Video, group::VIDEO_V1, Route::VideoV1, submit_video);
task_order!(VideoV2Submit, Kind::Video, group::VIDEO_V2, Route::VideoV2, submit_video_v2);
task_order!(TemplateSubmit, Kind::Video, group::OTHER, Route::VideoTemplate, submit_template);
task_order!(Enrich, Kind::Prompt, group::VIDEO_V2, Route::VideoV2, submit_enrich);
task_order!(Regenerate, Kind::Video, group::VIDEO_V2, Route::VideoV2, submit_regenerate);
