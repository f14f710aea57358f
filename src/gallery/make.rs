//! Repeats a job, or makes something from a result: a form, its price, and the purchase.

use axum::extract::{Extension, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use rmcp::model::JsonObject;
use serde_json::{Map, Value};

use super::call::{Answer, call};
use super::form::Form;
use super::login::to;
use super::page::{Place, missing, page as framed, problem, token};
use super::shown::{Shown, shown};
use super::visitor::Visitor;
use crate::jobs::{Job, JobFile, random_id};
use crate::mcp::Billing;

/// Arguments that the gallery sets itself.
const OWN: &[&str] = &["wait_seconds", "async_mode", "dry_run", "idempotency_key", "output_directory"];

/// The uses of a file as an input: its kind, the tool, the parameter, and the words of the link.
const USES: &[(Shown, &str, &str, &str, &str)] = &[
    (Shown::Image, "generate_video", "first_frame_image", "Use as first frame", "用作首帧"),
    (Shown::Image, "generate_video", "reference_images", "Use as video reference", "用作视频参考"),
    (Shown::Image, "text_to_image", "subject_reference", "Use as face in an image", "用作图像人物"),
    (Shown::Audio, "music_generation", "reference_audio", "Use for a cover", "用于翻唱"),
];

/// The fields of a tool, by its schema. `None` if the visitor may not buy with it.
fn fields_of(visitor: &Visitor, tool: &str) -> Option<Map<String, Value>> {
    let (catalogue, server) = (visitor.server.catalogue(), &visitor.server);
    let spec = catalogue
        .find(tool)
        .filter(|spec| spec.billing == Billing::Job && server.policy.offers(spec.name))?;
    let fields = catalogue.tool(spec.name)?.input_schema.get("properties")?.as_object()?;
    fields.contains_key("dry_run").then(|| fields.clone()).filter(|_| visitor.may_act())
}

/// The tool that a form names, and its fields. `None` if the visitor may not buy with it.
fn tool_of(visitor: &Visitor, form: &Form) -> Option<(String, Map<String, Value>)> {
    let tool = form.get("tool").unwrap_or_default();
    Some((tool.to_owned(), fields_of(visitor, tool)?))
}

/// The arguments whose price was shown.
fn priced_arguments(form: &Form) -> Option<JsonObject> {
    serde_json::from_str(form.get("arguments")?).ok()
}

/// The link to the form that makes a job's result again.
pub(super) fn links(visitor: &Visitor, job: &Job) -> Markup {
    let again = fields_of(visitor, &job.tool).is_some();
    html! {
        @if again {
            a class="button" href=(visitor.to(&format!("/make?job={}", job.id))) { (visitor.say("Make again", "再次生成")) }
        }
    }
}

/// The links to the uses of a file.
pub(super) fn uses(visitor: &Visitor, job: &Job, file: &JobFile) -> Markup {
    let kind = shown(file);
    html! {
        @for (of, tool, parameter, english, chinese) in USES {
            @if *of == kind && fields_of(visitor, tool).is_some_and(|fields| fields.contains_key(*parameter)) {
                @let query = Form::default().with(&[("job", &job.id), ("file", &file.name), ("tool", tool), ("as", parameter)]);
                " · " a href=(format!("{}?{query}", visitor.to("/make"))) { (visitor.say(english, chinese)) }
            }
        }
    }
}

/// `GET /gallery/make?job=…`, or `…&file=…&tool=…&as=…`: the form.
pub(super) async fn form(Extension(visitor): Extension<Visitor>, RawQuery(query): RawQuery) -> Response {
    let query = Form::read(query.unwrap_or_default().as_bytes());
    let id = query.get("job").unwrap_or_default();
    let Ok(Some(job)) = visitor.server.jobs().get(visitor.principal(), id).await else {
        return missing(&visitor);
    };
    let tool = query.get("tool").unwrap_or(&job.tool).to_owned();
    let Some(fields) = fields_of(&visitor, &tool) else { return missing(&visitor) };
    let given = match (query.get("file"), query.get("as")) {
        (Some(file), Some(parameter)) if fields.contains_key(parameter) => {
            if !job.files.iter().any(|one| one.name == file) {
                return missing(&visitor);
            }
            let uri = Value::from(format!("minimax://files/{}/{file}", job.id));
            let is_list = kind_of(fields.get(parameter)) == FieldKind::Json;
            let value = if is_list { Value::from(vec![uri]) } else { uri };
            Map::from_iter([(parameter.to_owned(), value)])
        }
        _ => ordered(&job, &fields),
    };
    shown_form(&visitor, &tool, &fields, &|name| text_of(fields.get(name), given.get(name)), None)
}

/// The arguments of a job's call. For a record without them, the prompt and the model.
fn ordered(job: &Job, fields: &Map<String, Value>) -> JsonObject {
    if let Some(Value::Object(arguments)) = &job.arguments {
        return arguments.clone();
    }
    let named = [("prompt", &job.prompt), ("text", &job.prompt), ("model", &job.model)];
    let known = named.into_iter().filter(|(name, value)| fields.contains_key(*name) && !value.is_empty());
    known.map(|(name, value)| (name.to_owned(), Value::from(value.as_str()))).collect()
}

/// The kind of a form's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldKind {
    Text,
    Number,
    Flag,
    /// A list or an object.
    Json,
}

fn kind_of(schema: Option<&Value>) -> FieldKind {
    let kinds = schema.and_then(|schema| schema.get("type"));
    let is = |word: &str| match kinds {
        Some(Value::String(kind)) => kind == word,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == word),
        _ => false,
    };
    match () {
        () if is("boolean") => FieldKind::Flag,
        () if is("integer") || is("number") => FieldKind::Number,
        () if is("array") || is("object") => FieldKind::Json,
        () if is("string") || schema.is_some_and(|schema| schema.get("enum").is_some()) => FieldKind::Text,
        () => FieldKind::Json,
    }
}

/// An argument as its field shows it.
fn text_of(schema: Option<&Value>, given: Option<&Value>) -> String {
    match given {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if kind_of(schema) != FieldKind::Json => text.clone(),
        Some(value) => value.to_string(),
    }
}

fn shown_form(
    visitor: &Visitor,
    tool: &str,
    fields: &Map<String, Value>,
    text: &dyn Fn(&str) -> String,
    wrong: Option<&str>,
) -> Response {
    let title = visitor.say("Make", "生成");
    let content = html! {
        h1 { (title) " · " (tool) }
        @if let Some(wrong) = wrong { p class="problem" role="alert" { (wrong) } }
        p class="note" { (visitor.say("You see the price first; this form buys nothing.", "先显示价格；此表单不会购买。")) }
        form method="post" action=(visitor.to("/price")) class="stack" {
            (token(visitor))
            input type="hidden" name="tool" value=(tool);
            @for (name, schema) in fields.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
                (field(visitor, name, schema, &text(name)))
            }
            button type="submit" { (visitor.say("Show the price", "查看价格")) }
        }
    };
    framed(visitor, Place::Other, title, &content)
}

fn field(visitor: &Visitor, name: &str, schema: &Value, text: &str) -> Markup {
    let kind = kind_of(Some(schema));
    let help = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let input = format!("field.{name}");
    let words = schema.get("enum").and_then(Value::as_array);
    html! {
        label { (name)
            @if let Some(words) = words {
                select name=(input) {
                    option value="" { (visitor.say("Default", "默认")) }
                    @for word in words.iter().filter_map(Value::as_str) {
                        option value=(word) selected[word == text] { (word) }
                    }
                }
            } @else if kind == FieldKind::Flag {
                select name=(input) {
                    option value="" { (visitor.say("Default", "默认")) }
                    @for word in ["true", "false"] { option value=(word) selected[word == text] { (word) } }
                }
            } @else if kind == FieldKind::Json || ["prompt", "text", "lyrics"].contains(&name) {
                textarea name=(input) { (text) }
            } @else {
                input name=(input) value=(text) inputmode=[(kind == FieldKind::Number).then_some("decimal")];
            }
            @if !help.is_empty() { small { (help) } }
        }
    }
}

/// The arguments in a form. The error is a sentence.
fn arguments(fields: &Map<String, Value>, form: &Form) -> Result<JsonObject, String> {
    let mut arguments = JsonObject::new();
    for (name, schema) in fields.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        let input = format!("field.{name}");
        let Some(text) = form.get(&input) else { continue };
        let value = match kind_of(Some(schema)) {
            // Browsers send the lines of a form with CRLF.
            FieldKind::Text => Value::from(text.replace("\r\n", "\n")),
            FieldKind::Number | FieldKind::Flag | FieldKind::Json => {
                let read = serde_json::from_str(text.trim());
                read.map_err(|_| format!("{name}: must be a number, true, false, or JSON"))?
            }
        };
        arguments.insert(name.clone(), value);
    }
    Ok(arguments)
}

/// `POST /gallery/price`: the price of the purchase.
pub(super) async fn price(
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Response {
    let Some((tool, fields)) = tool_of(&visitor, &form) else { return missing(&visitor) };
    match arguments(&fields, &form) {
        Ok(arguments) => Box::pin(asked(&visitor, &tool, &fields, arguments, None)).await,
        Err(wrong) => {
            let typed = |name: &str| form.get(&format!("field.{name}")).unwrap_or_default().to_owned();
            shown_form(&visitor, &tool, &fields, &typed, Some(&wrong))
        }
    }
}

async fn priced(visitor: &Visitor, tool: &str, arguments: &JsonObject) -> Answer {
    let mut dry = arguments.clone();
    dry.insert("dry_run".to_owned(), true.into());
    Box::pin(call(&visitor.server, tool, dry, false)).await
}

/// The question whether to buy at this price.
async fn asked(
    visitor: &Visitor,
    tool: &str,
    fields: &Map<String, Value>,
    arguments: JsonObject,
    note: Option<&str>,
) -> Response {
    let answer = priced(visitor, tool, &arguments).await;
    if answer.is_error {
        let given = |name: &str| text_of(fields.get(name), arguments.get(name));
        return shown_form(visitor, tool, fields, &given, Some(&answer.text));
    }
    // The last line of a dry run is for models: it says how to buy the result.
    let facts =
        answer.text.lines().filter(|line| !line.starts_with("Dry run:")).collect::<Vec<_>>().join("\n");
    let title = visitor.say("Buy it?", "确认购买？");
    let content = html! {
        h1 { (title) }
        @if let Some(note) = note { p class="problem" role="alert" { (note) } }
        p class="price" { (amount(visitor, &answer.structured)) }
        pre class="text" { (facts) }
        form method="post" action=(visitor.to("/buy")) class="acts" {
            (token(visitor))
            input type="hidden" name="tool" value=(tool);
            input type="hidden" name="arguments" value=(Value::Object(arguments).to_string());
            input type="hidden" name="price" value=(answer.price());
            // With this key, the page buys once even if it is sent several times.
            input type="hidden" name="order" value=(random_id("gallery"));
            button type="submit" { (visitor.say("Buy", "购买")) }
            button type="submit" class="second" formaction=(visitor.to("/change")) { (visitor.say("Change it", "修改")) }
            a class="button second" href=(visitor.to("")) { (visitor.say("Do not buy", "不购买")) }
        }
    };
    framed(visitor, Place::Other, title, &content)
}

/// The estimate of a dry run, in words.
fn amount(visitor: &Visitor, structured: &Value) -> String {
    let cost = structured.get("cost");
    let estimated = cost.and_then(|cost| cost.get("estimated")).filter(|estimated| !estimated.is_null());
    let currency = cost.and_then(|cost| cost.get("currency")).and_then(Value::as_str).unwrap_or_default();
    match estimated {
        Some(estimated) => format!("{estimated} {currency}"),
        None => visitor.say("The price is not known in advance.", "价格无法事先得知。").to_owned(),
    }
}

/// `POST /gallery/change`: the form again, with the arguments whose price was shown.
pub(super) async fn change(
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Response {
    let Some((tool, fields)) = tool_of(&visitor, &form) else { return missing(&visitor) };
    let given = priced_arguments(&form).unwrap_or_default();
    shown_form(&visitor, &tool, &fields, &|name| text_of(fields.get(name), given.get(name)), None)
}

/// `POST /gallery/buy`: buys at the price that was shown. If the price has changed, asks again.
pub(super) async fn buy(
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Response {
    let Some((tool, fields)) = tool_of(&visitor, &form) else { return missing(&visitor) };
    let (Some(mut arguments), Some(order)) = (priced_arguments(&form), form.get("order")) else {
        return missing(&visitor);
    };
    // A page that is sent again shows what it has bought. A new price, or an input that is gone since, must not look as if
    // nothing was.
    if let Ok(Some((watch, _))) = visitor.server.jobs().by_key(visitor.principal(), order).await {
        let id = watch.borrow().id.clone();
        return to(&visitor.to(&format!("/jobs/{id}")));
    }
    arguments.retain(|name, _| !OWN.contains(&name.as_str()));
    let again = priced(&visitor, &tool, &arguments).await;
    if again.is_error || Some(again.price().as_str()) != form.get("price") {
        let note = visitor.say("The price has changed.", "价格已变化。");
        return Box::pin(asked(&visitor, &tool, &fields, arguments, Some(note))).await;
    }
    arguments.insert("idempotency_key".to_owned(), order.into());
    arguments.insert("wait_seconds".to_owned(), 0.into());
    let bought = Box::pin(call(&visitor.server, &tool, arguments, true)).await;
    if let Some(job) = bought.job() {
        return to(&visitor.to(&format!("/jobs/{job}")));
    }
    let title = visitor.say("Not bought", "未购买");
    problem(&visitor, StatusCode::UNPROCESSABLE_ENTITY, title, &bought.text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_gives_arguments_of_the_types_of_the_tool() {
        let fields = json!({
            "prompt": { "type": "string" }, "n": { "type": ["integer", "null"] }, "list": { "type": "array" },
            "flag": { "type": "boolean" }, "empty": { "type": "string" }, "dry_run": { "type": "boolean" },
        });
        let fields = fields.as_object().unwrap();
        let read = |query: &str| arguments(fields, &Form::read(query.as_bytes()));
        let all = read(
            "field.prompt=a%0D%0Ab&field.n=2&field.list=[%22x%22]&field.flag=true&field.empty=&field.dry_run=false",
        );
        let all = Value::Object(all.unwrap());
        assert_eq!(all, json!({ "prompt": "a\nb", "n": 2, "list": ["x"], "flag": true }));
        assert!(read("field.n=two").unwrap_err().starts_with("n: must be"));
    }

    #[test]
    fn every_use_of_a_file_is_a_parameter_that_exists() {
        let catalogue = crate::tools::catalogue();
        for (_, tool, parameter, ..) in USES {
            let schema = &catalogue.tool(tool).unwrap().input_schema;
            assert!(schema["properties"].get(*parameter).is_some(), "{tool}.{parameter}");
        }
    }
}
