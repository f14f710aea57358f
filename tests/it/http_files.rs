//! Links to results, and the access to them.

use reqwest::StatusCode;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::json;

use crate::harness::Listener;
use crate::http::{Served, make, web};

#[tokio::test]
async fn a_client_over_http_gets_a_picture_as_a_link_that_it_can_open() {
    let served = Served::open().await;
    let settings = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", served.base));
    let transport = StreamableHttpClientTransport::with_client(web(), settings);
    let client = Listener::default().serve(transport).await.unwrap();
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert!(names.contains(&"text_to_image") && names.contains(&"view_media"));
    for at_the_machine in ["play_audio", "speak", "download_file"] {
        assert!(!names.contains(&at_the_machine), "{at_the_machine} is of no use from elsewhere");
    }
    let arguments = json!({ "prompt": "A lighthouse" }).as_object().cloned().unwrap();
    let request = CallToolRequestParams::new("text_to_image").with_arguments(arguments);
    let view = client.call_tool(request).await.unwrap().structured_content.unwrap();
    let file = &view["files"][0];
    assert_eq!(file.get("path"), None, "a path of another machine is no use");
    let link = file["download_url"].as_str().unwrap();

    let whole = web().get(link).send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "image/jpeg");
    assert!(whole.headers()["content-disposition"].to_str().unwrap().contains("lighthouse"));
    let whole = whole.bytes().await.unwrap();
    assert_eq!(whole.len() as u64, file["bytes"].as_u64().unwrap());
    let part = web().get(link).header("Range", "bytes=2-9").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), whole.slice(2..10));
    client.cancel().await.unwrap();
    served.end().await;
}

#[tokio::test]
async fn a_link_is_valid_for_one_file_and_expires() {
    let served = Served::open().await;
    let view = make(&served.base, None, "text_to_image", json!({ "prompt": "x", "n": 2 })).await;
    let link = view["files"][0]["download_url"].as_str().unwrap();
    let job = view["job_id"].as_str().unwrap();
    let query = link.split_once('?').unwrap().1;
    let expires = query.split(['=', '&']).nth(1).unwrap();
    for bad in [
        link.replace("image%2D1", "image%2D2"),
        link.replace(expires, "9999999999"),
        link.replace(expires, "1"),
        link.replace("signature=", "signature=A"),
        format!("{}/files/{job}/image-1.jpg?expires={expires}&signature=", served.base),
        format!("{}/files/{job}/..%2F..%2Fdata%2Fjobs.sqlite3?{query}", served.base),
        format!("{}/files/..%2F{job}/image-1.jpg?{query}", served.base),
    ] {
        assert_ne!(bad, link);
        let status = web().get(&bad).send().await.unwrap().status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{bad}");
    }
    let bare = web().get(link.split_once('?').unwrap().0).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::BAD_REQUEST);
    served.end().await;
}

#[tokio::test]
async fn a_link_returns_only_the_original_file_and_no_replacement() {
    if crate::s3::leaves_out("the folder for results") {
        return;
    }
    let served = Served::open().await;
    let other = served.neighbour(false).await;
    let view = make(&served.base, None, "text_to_image", json!({ "prompt": "x" })).await;
    let file = &view["files"][0];
    let link = file["download_url"].as_str().unwrap();
    let get = async |link: &str| {
        let response = web().get(link).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap())
    };
    let (status, content) = get(link).await;
    assert_eq!(status, 200);
    // The key of the links belongs to the folder: any server on it knows them.
    assert_eq!(get(&link.replace(&served.base, &other)).await, (200, content.clone()));

    let out = served.dir.path().join("out");
    let path = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    let elsewhere = served.dir.path().join("elsewhere.jpg");
    let mut changed = content.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &changed).unwrap();
    let (status, words) = get(link).await;
    assert_eq!(status, 410, "as long as before, and not the same");
    assert!(String::from_utf8_lossy(&words).contains("changed"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(get(link).await.0, 410);
    std::fs::write(&elsewhere, &content).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(get(link).await.0, 410, "a link is not followed, whatever it leads to");
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(get(link).await, (200, content));
    served.end().await;
}

#[tokio::test]
async fn a_broken_download_resumes_where_it_broke_if_the_file_is_the_same() {
    let served = Served::open().await;
    let view = make(&served.base, None, "text_to_image", json!({ "prompt": "x" })).await;
    let link = view["files"][0]["download_url"].as_str().unwrap();
    let head = web().head(link).send().await.unwrap();
    let (bytes, etag) = (head.content_length(), head.headers()["etag"].clone());
    let length = head.headers()["content-length"].to_str().unwrap().to_owned();
    assert_eq!(head.headers()["accept-ranges"], "bytes");
    assert!(head.bytes().await.unwrap().is_empty() && bytes.is_some());
    let ask = |range: &'static str, tag: Option<&str>| {
        let request = web().get(link).header("Range", range);
        match tag {
            Some(tag) => request.header("If-Range", tag),
            None => request,
        }
        .send()
    };
    let rest = ask("bytes=10-", etag.to_str().ok()).await.unwrap();
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    let last: u64 = length.parse::<u64>().unwrap() - 1;
    assert_eq!(rest.headers()["content-range"].to_str().unwrap(), format!("bytes 10-{last}/{length}"));
    assert_eq!(rest.bytes().await.unwrap().len() as u64, last - 9);
    assert_eq!(ask("bytes=10-", Some("\"another\"")).await.unwrap().status(), StatusCode::OK);
    let beyond = ask("bytes=99999999-", None).await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers()["content-range"].to_str().unwrap(), format!("bytes */{length}"));
    let known = web().get(link).header("If-None-Match", etag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    served.end().await;
}
