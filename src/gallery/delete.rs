//! Deletes a file or a record, after a question.

use axum::extract::{Extension, Path as Of, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use tokio::task::spawn_blocking;

use super::form::Form;
use super::login::to;
use super::page::{Place, missing, page as framed, problem, token};
use super::visitor::Visitor;
use crate::download::{Reach, Recorded, Removal, remove_object, remove_result};
use crate::jobs::{Job, JobFile, OnDisk, gallery};

/// Whether a job may be deleted, or a file of it: it has ended, and its outcome is known.
fn is_settled(job: &Job) -> bool {
    job.state.is_over() && job.state.status() != "unknown"
}

/// The link to delete a job.
pub(super) fn link(visitor: &Visitor, job: &Job) -> Markup {
    html! {
        @if visitor.may_act() && is_settled(job) {
            a class="button second" href=(visitor.to(&format!("/delete/{}", job.id))) { (visitor.say("Delete…", "删除…")) }
        }
    }
}

/// The link to delete a file of a job.
pub(super) fn file_link(visitor: &Visitor, job: &Job, file: &JobFile) -> Markup {
    html! {
        @if visitor.may_act() && is_settled(job) {
            @let query = Form::default().with(&[("file", &file.name)]);
            " · " a href=(format!("{}?{query}", visitor.to(&format!("/delete/{}", job.id)))) { (visitor.say("Delete…", "删除…")) }
        }
    }
}

/// The job, if the visitor may delete it now, or a page with the reason why not.
async fn deletable(visitor: &Visitor, id: &str) -> Result<Job, Response> {
    let Ok(Some(job)) = visitor.server.jobs().get(visitor.principal(), id).await else {
        return Err(missing(visitor));
    };
    if !visitor.may_act() {
        let text = visitor
            .say("This server is read-only (MINIMAX_READ_ONLY).", "本服务器为只读（MINIMAX_READ_ONLY）。");
        return Err(refused(visitor, StatusCode::FORBIDDEN, text));
    }
    if !is_settled(&job) {
        let text = visitor.say(
            "The job is running, or its outcome is unknown. It can be deleted when it has ended.",
            "任务正在进行，或结果未知。任务结束后才能删除。",
        );
        return Err(refused(visitor, StatusCode::CONFLICT, text));
    }
    Ok(job)
}

fn refused(visitor: &Visitor, status: StatusCode, text: &str) -> Response {
    problem(visitor, status, visitor.say("Not deleted", "未删除"), text)
}

/// `GET /gallery/delete/{job}` and `…?file=…`: the question.
pub(super) async fn question(
    Extension(visitor): Extension<Visitor>,
    Of(id): Of<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let job = match deletable(&visitor, &id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    let query = Form::read(query.unwrap_or_default().as_bytes());
    let title = visitor.say("Delete?", "确认删除？");
    let back = visitor.to(&format!("/jobs/{}", job.id));
    let action = visitor.to(&format!("/delete/{}", job.id));
    let button = |what: &str, words: &str| {
        html! { button type="submit" class="danger" name="what" value=(what) { (words) } }
    };
    let content = html! {
        h1 { (title) }
        @if let Some(file) = query.get("file") {
            p { (file) ": " (visitor.say("the file is removed from the disk. This cannot be undone.", "文件将从磁盘删除，无法恢复。")) }
        } @else {
            p { (visitor.say(
                "The record contains the prompt, the settings and MiniMax's ids. The amount spent stays in the ledger. This cannot be undone.",
                "记录包含提示词、设置和 MiniMax 的编号。费用账目会保留。此操作无法恢复。",
            )) }
        }
        form method="post" action=(action) class="acts" {
            (token(&visitor))
            @if let Some(file) = query.get("file") {
                input type="hidden" name="file" value=(file);
                (button("file", visitor.say("Delete the file", "删除文件")))
            } @else {
                @if !waits(&job) {
                    (button("record", visitor.say("Delete the record, keep the files", "删除记录，保留文件")))
                }
                @if !job.files.is_empty() { (button("all", visitor.say("Delete the record and the files", "删除记录和文件"))) }
            }
            a class="button second" href=(back) { (visitor.say("Keep it", "保留")) }
        }
    };
    framed(&visitor, Place::Other, title, &content)
}

/// `POST /gallery/delete/{job}`
pub(super) async fn act(
    Extension(visitor): Extension<Visitor>,
    Of(id): Of<String>,
    Extension(form): Extension<Form>,
) -> Response {
    let job = match deletable(&visitor, &id).await {
        Ok(job) => job,
        Err(response) => return response,
    };
    let all = job.files.iter().filter(|file| file.saved.is_some());
    let (files, record): (Vec<_>, bool) = match form.get("what") {
        Some("file") => (all.filter(|file| form.get("file") == Some(&file.name)).collect(), false),
        Some("all") => (all.collect(), true),
        Some("record") if waits(&job) => {
            let text = visitor.say(
                "A file of the job is not in its folder yet, and would be lost with the record. get_job saves it.",
                "该任务有文件尚未存入目录，删除记录会丢失该文件。get_job 会保存它。",
            );
            return refused(&visitor, StatusCode::CONFLICT, text);
        }
        Some("record") => (Vec::new(), true),
        _ => return missing(&visitor),
    };
    let mut job = job.clone();
    for file in files.into_iter().cloned().collect::<Vec<_>>() {
        if let Err(problem) = remove_file(&visitor, &job, &file).await {
            return refused(&visitor, StatusCode::CONFLICT, &format!("{}: {problem}", file.name));
        }
        job.files.retain(|one| one.name != file.name);
    }
    if !record {
        return to(&visitor.to(&format!("/jobs/{}", job.id)));
    }
    match gallery::remove(visitor.server.jobs(), visitor.principal(), &job.id).await {
        Ok(true) => to(&visitor.to("")),
        Ok(false) => {
            refused(&visitor, StatusCode::CONFLICT, visitor.say("The job is in use.", "任务正在使用中。"))
        }
        Err(error) => super::page::unreadable(&visitor, &error),
    }
}

/// Whether a file of the job waits on this machine to be delivered. Without the record, nothing would deliver it.
fn waits(job: &Job) -> bool {
    job.files.iter().any(|file| file.spooled.is_some())
}

/// Removes a file that this server wrote, from the disk and from its record.
async fn remove_file(visitor: &Visitor, job: &Job, file: &JobFile) -> Result<(), String> {
    let Some(saved) = &file.saved else { return Ok(()) };
    let unwritable = |_| visitor.say("the record cannot be written now", "目前无法写入记录").to_owned();
    let jobs = visitor.server.jobs();
    match removed(visitor, saved).await {
        Removal::Removed | Removal::Missing => {}
        Removal::Changed => return Err(changed(visitor)),
        Removal::Elsewhere => return Err(elsewhere(visitor)),
        Removal::Failed(error) => return Err(error.to_string()),
    }
    visitor.gallery.0.thumbnails.forget(&saved.sha256).await;
    let current = jobs.get(visitor.principal(), &job.id).await.map_err(unwritable)?;
    let Some(current) = current else { return Ok(()) };
    if gallery::forget_file(jobs, &current, &file.name).await.map_err(unwritable)? {
        return Ok(());
    }
    Err(visitor.say("the job has changed in the meantime", "任务在此期间发生了变化").to_owned())
}

async fn removed(visitor: &Visitor, saved: &OnDisk) -> Removal {
    if let Some(object) = &saved.object {
        return remove_object(visitor.server.jobs().bucket(), object, saved.bytes, false).await;
    }
    let (base, saved) = (visitor.server.config().base_path.clone(), saved.clone());
    let removing = move || {
        let file = Recorded { path: &saved.path, bytes: saved.bytes, sha256: &saved.sha256 };
        remove_result(file, &base, Reach::Below, false)
    };
    spawn_blocking(removing).await.unwrap_or_else(|error| Removal::Failed(error.into()))
}

fn elsewhere(visitor: &Visitor) -> String {
    let text = visitor.say(
        "it is not in the results folder, so the gallery does not delete it",
        "它不在结果文件夹中，图库不会删除它",
    );
    text.to_owned()
}

fn changed(visitor: &Visitor) -> String {
    let text = visitor.say(
        "it was changed or replaced by a link after it was saved, so the gallery does not delete it",
        "它不是生成的原文件：已被修改，或是链接。图库不会删除它",
    );
    text.to_owned()
}
