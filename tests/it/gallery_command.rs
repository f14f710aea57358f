//! `minimax-mcp gallery`: the pages for the person at this machine.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::StatusCode;

use crate::gallery::world::Visitor;
use crate::home::{Home, KEY};
use crate::http::web;

/// The program, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(home: &Home, arguments: &[&str]) -> (Running, String) {
    let mut command: Command = home.command(&[("MINIMAX_API_KEY", KEY)], arguments);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Running(child), line.trim().to_owned())
}

#[tokio::test]
async fn the_command_prints_a_link_that_opens_the_owner_s_gallery_once_and_serves_nothing_else() {
    let home = Home::new();
    let (running, link) = start(&home, &["gallery", "--no-open", "--sandbox"]);
    let base = link.split("/gallery/").next().unwrap().to_owned();
    assert!(base.starts_with("http://127.0.0.1:"), "{link}");
    let page = format!("{base}/gallery");
    let closed = web().get(&page).header("Accept", "text/html").send().await.unwrap();
    assert_eq!(closed.status(), StatusCode::UNAUTHORIZED);
    assert!(
        closed.text().await.unwrap().contains("minimax-mcp gallery"),
        "it says where the link comes from"
    );
    let login = web().post(format!("{page}/login")).header("Origin", &base).form(&[("token", "x")]);
    assert_eq!(login.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    for (path, status) in [("/mcp", 404), ("/", 405), ("/gallery/link", 404), ("/metrics", 404)] {
        assert_eq!(web().post(format!("{base}{path}")).send().await.unwrap().status(), status, "{path}");
    }
    assert_eq!(
        web().get(&base).send().await.unwrap().url().path(),
        "/gallery",
        "the address alone leads there"
    );
    let renamed = web().get(&page).header("Host", "evil.example").send().await.unwrap();
    assert_eq!(renamed.status(), StatusCode::FORBIDDEN);
    let opened = web().get(&link).send().await.unwrap();
    assert_eq!(opened.status(), StatusCode::OK);
    let owner = Visitor::of(&base, &opened);
    assert!(owner.page("/gallery").await.contains("No matching jobs"));
    assert_eq!(web().get(&link).send().await.unwrap().status(), StatusCode::GONE);
    drop(running);
}

#[test]
fn a_port_in_use_is_reported_with_the_option() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = home
        .command(&[("MINIMAX_API_KEY", KEY)], &["gallery", "--no-open", "--port", &port])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(&port) && said.contains("--port"), "{said}");
}

#[tokio::test]
async fn a_folder_with_markup_in_its_name_is_refused_or_text_on_the_owner_s_page() {
    let home = Home::new();
    let call = |folder: &str| {
        let results = home.path(folder);
        let settings = [("MINIMAX_API_KEY", KEY), ("MINIMAX_MCP_BASE_PATH", results.to_str().unwrap())];
        home.run(&settings, &["--sandbox", "call", "text_to_image", "prompt=A fox", "--json"])
    };
    let (output, said) = call("\"><b>x");
    assert!(!output.status.success() && said.contains("not allowed in a folder's name"), "{said}");
    let (output, said) = call("a &lt;b&gt; 'c'");
    assert!(output.status.success(), "{said}");
    let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (running, link) = start(&home, &["gallery", "--no-open", "--sandbox"]);
    let base = link.split("/gallery/").next().unwrap().to_owned();
    let owner = Visitor::of(&base, &web().get(&link).send().await.unwrap());
    let page = owner.page(&format!("/gallery/jobs/{}", view["job_id"].as_str().unwrap())).await;
    assert!(page.contains("a &amp;lt;b&amp;gt; 'c'") && !page.contains("&lt;b&gt;"), "{page}");
    drop(running);
}
