//! A visitor of the gallery, with its cookie.

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::http::web;

/// A browser's part: it keeps the cookie of a session, and sends forms with their origin.
pub struct Visitor {
    pub base: String,
    cookie: String,
}

impl Visitor {
    /// A visitor with the cookie that a response has set.
    pub fn of(base: &str, response: &Response) -> Self {
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        Self { base: base.to_owned(), cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    pub async fn log_in(base: &str, token: &str) -> Response {
        let form = [("token", token)];
        web().post(format!("{base}/gallery/login")).header("Origin", base).form(&form).send().await.unwrap()
    }

    pub async fn with_token(base: &str, token: &str) -> Self {
        let response = Self::log_in(base, token).await;
        assert_eq!(response.status(), StatusCode::OK);
        Self::of(base, &response)
    }

    /// A visitor of a server that asks for no token.
    pub async fn without_token(base: &str) -> Self {
        Self::of(base, &web().get(format!("{base}/gallery")).send().await.unwrap())
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        // Tests check where a form redirects to.
        let web = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        web.request(method, format!("{}{path}", self.base)).header("Cookie", &self.cookie)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// A page that must be there.
    pub async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }

    /// The token of the session's forms, as a page has it.
    pub async fn form_token(&self) -> String {
        let page = self.page("/gallery").await;
        let (_, rest) = page.split_once("name=\"form_token\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends a form as a page of the gallery does.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let token = self.form_token().await;
        let mut all = vec![("form_token", token.as_str())];
        all.extend_from_slice(fields);
        self.request(Method::POST, path).header("Origin", &self.base).form(&all).send().await.unwrap()
    }
}

/// The name of the session's cookie at a server.
pub fn named(base: &str) -> String {
    format!("minimax_gallery_{}", base.rsplit(':').next().unwrap())
}

/// The id of the job in a result.
pub fn of_job(view: &Value) -> String {
    view["job_id"].as_str().unwrap_or_else(|| panic!("{view}")).to_owned()
}
