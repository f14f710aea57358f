//! Parses the arguments of a call on the command line.

use std::io::Read as _;

use rmcp::model::JsonObject;
use serde_json::Value;

/// The largest file that can be an argument, in bytes. The tools have their own, lower limits.
const MOST_BYTES: u64 = 32 << 20;

/// Reads the arguments. Texts stay texts here: the tool's schema decides their types, as for every client.
pub(super) fn read(given: &[String]) -> Result<JsonObject, String> {
    let mut arguments = JsonObject::new();
    let of_stdin = given.iter().filter(|text| text.split_once('=').is_some_and(|(_, value)| value == "@-"));
    if of_stdin.count() > 1 {
        return Err("only one argument can be `@-`, because stdin can be read once; write the other to a file, KEY=@FILE".to_owned());
    }
    for text in given {
        let (key, value) = one(text)?;
        match arguments.get_mut(&key) {
            None => {
                arguments.insert(key, value);
            }
            Some(Value::Array(all)) => all.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(arguments)
}

fn one(text: &str) -> Result<(String, Value), String> {
    let shown: String = text.chars().take(60).collect();
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.trim_end_matches(':').is_empty())
    else {
        return Err(format!("`{shown}` must be KEY=VALUE, for example prompt=\"A red fox\""));
    };
    if let Some(key) = key.strip_suffix(':') {
        let value = serde_json::from_str(value).map_err(|error| {
            format!("`{key}:=` must be followed by JSON ({error}); for a text write {key}=TEXT")
        })?;
        return Ok((key.to_owned(), value));
    }
    let value = match value.strip_prefix('@') {
        None => value.to_owned(),
        Some(rest) if rest.starts_with('@') => rest.to_owned(),
        Some(path) => file(key, path)?,
    };
    Ok((key.to_owned(), Value::String(value)))
}

/// The text of a file, or of stdin.
fn file(key: &str, path: &str) -> Result<String, String> {
    let problem = |why: String| format!("`{key}=@{path}`: {why}");
    let mut bytes = Vec::new();
    let read = match path {
        "-" => std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes),
        _ => std::fs::File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| problem(format!("cannot be read: {}", crate::telemetry::in_words(&error))))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(problem(format!("is longer than {} MiB", MOST_BYTES >> 20)));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| problem(format!("is not UTF-8 text; to give the file itself, write {key}={path}")))?;
    // Editors add a line end that is not part of the text.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_all(given: &[&str]) -> Result<Value, String> {
        let given: Vec<_> = given.iter().map(|text| (*text).to_owned()).collect();
        read(&given).map(Value::Object)
    }

    #[test]
    fn texts_lists_json_and_files_are_understood() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("story.txt");
        std::fs::write(&path, "\u{feff}Once = upon\na time\r\n").unwrap();
        let from_file = format!("text=@{}", path.display());
        let all = [
            "prompt=a=b",
            "n=3",
            "refs=x",
            "refs=y",
            "refs=z",
            "voice:={\"speed\": 1.5}",
            &from_file,
            "at=@@ada",
            "empty=",
        ];
        assert_eq!(
            read_all(&all).unwrap(),
            json!({ "prompt": "a=b", "n": "3", "refs": ["x", "y", "z"], "voice": { "speed": 1.5 },
                    "text": "Once = upon\na time", "at": "@ada", "empty": "" })
        );
        assert_eq!(read_all(&["l:=[1]", "l:=2"]).unwrap(), json!({ "l": [1, 2] }));
    }

    #[test]
    fn stdin_is_the_text_of_one_argument_only() {
        let problem = read_all(&["prompt=@-", "system=@-"]).unwrap_err();
        assert!(problem.contains("`@-`") && problem.contains("KEY=@FILE"), "{problem}");
    }

    #[test]
    fn the_error_about_a_mistake_shows_the_right_form() {
        let dir = tempfile::tempdir().unwrap();
        let picture = dir.path().join("fox.png");
        std::fs::write(&picture, [0x89, b'P', 0xff]).unwrap();
        let picture = format!("image=@{}", picture.display());
        for (given, parts) in [
            ("A fox", ["`A fox`", "KEY=VALUE"]),
            ("=x", ["`=x`", "KEY=VALUE"]),
            (":=1", ["`:=1`", "KEY=VALUE"]),
            ("n:=three", ["`n:=`", "n=TEXT"]),
            ("text=@/nowhere/at/all", ["text=@/nowhere/at/all", "cannot be read"]),
            (&picture, ["is not UTF-8 text", "write image="]),
        ] {
            let said = read_all(&[given]).unwrap_err();
            assert!(parts.iter().all(|part| said.contains(part)), "{given}: {said}");
        }
    }
}
