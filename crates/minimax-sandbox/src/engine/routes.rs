//! A router that remembers its endpoints, so that they are listed only where they are routed.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, post};

use crate::engine::state::AppState;

/// The routes of one or more endpoint files.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    router: Router<Arc<AppState>>,
    /// In the form `GET /v1/files/list`; variable parts of a path are in braces.
    endpoints: Vec<String>,
}

impl Routes {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn get<H, T>(self, path: &str, handler: H) -> Self
    where
        H: Handler<T, Arc<AppState>>,
        T: 'static,
    {
        self.add("GET", path, get(handler))
    }

    pub fn post<H, T>(self, path: &str, handler: H) -> Self
    where
        H: Handler<T, Arc<AppState>>,
        T: 'static,
    {
        self.add("POST", path, post(handler))
    }

    pub fn delete<H, T>(self, path: &str, handler: H) -> Self
    where
        H: Handler<T, Arc<AppState>>,
        T: 'static,
    {
        self.add("DELETE", path, delete(handler))
    }

    pub fn merge(mut self, other: Self) -> Self {
        self.endpoints.extend(other.endpoints);
        Self { router: self.router.merge(other.router), ..self }
    }

    pub fn into_router(self) -> Router<Arc<AppState>> {
        self.router
    }

    pub fn into_endpoints(self) -> Vec<String> {
        self.endpoints
    }

    fn add(mut self, method: &str, path: &str, route: MethodRouter<Arc<AppState>>) -> Self {
        self.endpoints.push(format!("{method} {path}"));
        Self { router: self.router.route(path, route), ..self }
    }
}
