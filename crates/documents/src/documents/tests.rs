//! Tests of edits in clients' files.

use serde_json::json;

use super::*;

const JSON: Place<'_> = Place { servers: "mcpServers", name: "minimax" };
const TOML: Place<'_> = Place { servers: "mcp_servers", name: "minimax" };

fn entry() -> Value {
    json!({ "command": "/bin/minimax-mcp", "args": [], "env": { "A": "." } })
}

fn set_json(text: &str) -> String {
    set(Format::Json, text, JSON, &entry(), None).unwrap()
}

/// Asserts that an edit only inserts: the new text is the old one with one inserted piece.
fn only_inserts(before: &str, after: &str) {
    let start = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
    assert!(after.ends_with(&before[start..]), "{before:?} became {after:?}");
}

#[test]
fn comments_order_and_other_servers_of_json_stay() {
    for text in [
        "{\n  // mine\n  \"b\": 1,\n  \"mcpServers\": {\n    \"z\": { \"command\": \"z\" }, // last\n    \"a\": {\"command\":  \"a\"}\n  },\n  \"c\": [1,\n2]\n}\n",
        "{\n\t\"mcpServers\": {\n\t\t\"z\": { \"command\": \"z\", },\n\t},\n}",
        "{\n      \"odd\": true,\n    \"mcpServers\": {}\n}\n",
        "// only a comment\n{}\n",
        "/* head */ {\n  /* a */ \"a\": 1\n}\n/* end */\n",
    ] {
        let after = set_json(text);
        only_inserts(text, &after);
        assert_eq!(set_json(&after), after, "twice");
        let found = entries(Format::Json, &after, "mcpServers").unwrap();
        assert_eq!(found.last().unwrap(), &("minimax".to_owned(), entry()), "{after}");
        let gone = remove(Format::Json, &after, JSON, None).unwrap();
        assert_eq!(entries(Format::Json, &gone, "mcpServers").unwrap().len(), found.len() - 1);
    }
}

#[test]
fn line_ends_and_the_byte_order_mark_stay() {
    for (format, text, place) in [
        (Format::Json, "\u{feff}{\r\n  \"a\": 1\r\n}\r\n", JSON),
        (Format::Toml, "\u{feff}# mine\r\na = 1\r\n\r\n[b]\r\nc = \"x\"\r\n", TOML),
    ] {
        let after = set(format, text, place, &entry(), None).unwrap();
        only_inserts(text, &after);
        assert!(after.starts_with(BOM), "{after:?}");
        assert_eq!(after.matches('\n').count(), after.matches("\r\n").count(), "{after:?}");
        assert_eq!(entries(format, &after, place.servers).unwrap().len(), 1);
    }
}

#[test]
fn an_empty_file_becomes_one_with_the_entry() {
    for text in ["", "\n", "  \n"] {
        let after = set_json(text);
        assert_eq!(
            serde_json::from_str::<Value>(&after).unwrap(),
            json!({ "mcpServers": { "minimax": entry() } })
        );
        let after = set(Format::Toml, text, TOML, &entry(), None).unwrap();
        assert!(after.trim_start().starts_with("[mcp_servers.minimax]"), "{after:?}");
    }
}

#[test]
fn comments_order_and_other_servers_of_toml_stay() {
    for text in [
        "# mine\nmodel = \"x\" # why\n\n[mcp_servers.a]\ncommand = 'a'\n\n[mcp_servers.a.env]\nK = \"v\"\n\n[other]\nx = 1\n# end\n",
        "model = 'x'",
        "[mcp_servers]\n\n[other]\nx = [1,\n  2]\n",
        "mcp_servers.a.command = \"a\"\n",
    ] {
        let after = set(Format::Toml, text, TOML, &entry(), None).unwrap();
        let parts: Vec<_> = text.lines().collect();
        let kept: Vec<_> = after.lines().filter(|line| parts.contains(line)).collect();
        let trimmed: Vec<_> = kept.iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(trimmed, parts.iter().filter(|line| !line.is_empty()).collect::<Vec<_>>(), "{after}");
        let found = entries(Format::Toml, &after, "mcp_servers").unwrap();
        assert!(found.contains(&("minimax".to_owned(), entry())), "{after}");
        assert_eq!(set(Format::Toml, &after, TOML, &entry(), None).unwrap(), after, "twice");
    }
    let inline = "mcp_servers = { a = { command = \"a\" } } # mine\n";
    let after = set(Format::Toml, inline, TOML, &entry(), None).unwrap();
    assert!(
        after.starts_with("mcp_servers = { a = { command = \"a\" }") && after.ends_with("# mine\n"),
        "{after}"
    );
}

const YAML: Place<'_> = Place { servers: "extensions", name: "minimax" };

#[test]
fn comments_order_and_other_servers_of_yaml_stay() {
    for text in [
        "# goose\nGOOSE_PROVIDER: openai  # mine\nextensions:\n  developer:\n    enabled: true\n    type: builtin # so\n    timeout: 300\n  # last\nGOOSE_MODEL: x\n",
        "extensions:\n    a:\n        cmd: 'x'   # c\n",
        "extensions: {a: {b: 1}}\n",
        "GOOSE_MODEL: x",
        "# only a comment\n",
        "---\nextensions:\n  a: &x\n    b: 1\n  c: *x\n",
    ] {
        let after = set(Format::Yaml, text, YAML, &entry(), None).unwrap();
        only_inserts(text.trim_end(), after.trim_end());
        assert_eq!(set(Format::Yaml, &after, YAML, &entry(), None).unwrap(), after, "twice");
        let found = entries(Format::Yaml, &after, "extensions").unwrap();
        assert_eq!(found.last().unwrap(), &("minimax".to_owned(), entry()), "{after}");
        let gone = remove(Format::Yaml, &after, YAML, None).unwrap();
        assert_eq!(entries(Format::Yaml, &gone, "extensions").unwrap().len(), found.len() - 1);
    }
    let after = set(Format::Yaml, "extensions:\nx: 1\n", YAML, &entry(), None).unwrap();
    assert!(after.contains("x: 1\n") && !after.contains('{'), "{after}");
    for text in ["extensions: 1\n", "- a\n", "extensions:\n  - a\n", "extensions:\n  minimax: 1\n"] {
        let refused = set(Format::Yaml, text, YAML, &entry(), None);
        assert!(matches!(refused, Err(Unusable::Unexpected(_))), "{text}");
    }
}

#[test]
fn servers_that_are_null_are_filled() {
    for text in [
        "{\n  \"mcpServers\": null, // none\n  \"a\": 1\n}\n",
        "{\"mcpServers\": {}, \"mcpServers\": null}",
        "{ \"mcpServers\": null }",
    ] {
        assert_eq!(entries(Format::Json, text, "mcpServers").unwrap(), []);
        let after = set_json(text);
        assert_eq!(entries(Format::Json, &after, "mcpServers").unwrap(), [("minimax".to_owned(), entry())]);
        assert!(
            !text.contains("none") || (after.contains("// none") && after.contains("\"a\": 1")),
            "{after}"
        );
        assert_eq!(remove(Format::Json, text, JSON, None).unwrap(), text);
    }
    let place = Place { servers: "servers", name: "minimax" };
    let input = json!({ "id": "key" });
    let text = "{ \"inputs\": null, \"servers\": { \"minimax\": null } }";
    let after: Value =
        serde_json::from_str(&set(Format::Json, text, place, &entry(), Some(&input)).unwrap()).unwrap();
    assert_eq!(after, json!({ "inputs": [input], "servers": { "minimax": entry() } }));
}

#[test]
fn directives_marks_tags_and_anchors_of_yaml_stay_and_an_alias_is_refused_with_its_place() {
    for text in [
        "%YAML 1.2\n---\nextensions:\n  a:\n    b: 1\n",
        "# mine\n\n--- # here\nextensions:\n  a:\n    b: 1\n",
        "extensions:\n  a:\n    b: 1\n...\n# end\n",
        "%YAML 1.2\n---\nGOOSE_MODEL: x\n...\n",
        "---\n",
        "---\n...\n",
        "extensions: !!map\n  a:\n    b: 1\n",
        "extensions: &all\n  a: &one\n    b: 1\n  c: *one\n",
        "base: &base\n  x: 1\nextensions:\n  a:\n    <<: *base\n    b: 1\n",
        "extensions: ~\n",
    ] {
        let before = entries(Format::Yaml, text, "extensions").unwrap();
        let after = set(Format::Yaml, text, YAML, &entry(), None).unwrap();
        if !text.contains('~') {
            only_inserts(text, &after);
        }
        let found = entries(Format::Yaml, &after, "extensions").unwrap();
        let wanted: Vec<_> = before.iter().cloned().chain([("minimax".to_owned(), entry())]).collect();
        assert_eq!(found, wanted, "{text:?}: {after}");
        let gone = remove(Format::Yaml, &after, YAML, None).unwrap();
        assert_eq!(entries(Format::Yaml, &gone, "extensions").unwrap(), before, "{gone}");
    }
    for (text, place) in [
        ("# mine\n---\nbase: &x\n  a: {b: 1}\nextensions: *x\n", (5, 13)),
        ("%YAML 1.2\n---\na: 1\nb: [1,\n", (5, 1)),
        ("a: 1\n...\nb: 2\n", (3, 1)),
        ("a: 1\n...\n---\nb: 2\n", (3, 1)),
        ("a: 1\n---\nb: 2\n", (2, 1)),
        ("a: 1\nb: *nowhere\n", (2, 4)),
    ] {
        match set(Format::Yaml, text, YAML, &entry(), None) {
            Err(Unusable::Damaged { line, column, message }) => {
                assert_eq!((line, column), place, "{text:?}: {message}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn only_the_fields_that_differ_are_written() {
    let text = "{\n  \"mcpServers\": {\n    \"minimax\": {\n      \"command\": \"old\", // mine\n      \"args\": [ ],\n      \"env\": { \"A\": \".\" }\n    }\n  }\n}\n";
    assert_eq!(set_json(text), text.replace("\"old\"", "\"/bin/minimax-mcp\""));
    let text = "[mcp_servers.minimax] # mine\ncommand = 'old'   # too\nargs = [ ]\n\n[mcp_servers.minimax.env]\nA = '.'\n";
    let after = set(Format::Toml, text, TOML, &entry(), None).unwrap();
    assert!(after.contains("# mine") && after.contains("args = [ ]") && after.contains("A = '.'"), "{after}");
    assert_eq!(entries(Format::Toml, &after, "mcp_servers").unwrap(), [("minimax".to_owned(), entry())]);
    let text = "extensions:\n  minimax: # mine\n    command: 'old'\n    args: [ ] # none\n    env:\n      A: '.' # here\n";
    let after = set(Format::Yaml, text, YAML, &entry(), None).unwrap();
    for kept in ["# mine", "args: [ ] # none", "A: '.' # here"] {
        assert!(after.contains(kept), "{kept}: {after}");
    }
    assert_eq!(entries(Format::Yaml, &after, "extensions").unwrap(), [("minimax".to_owned(), entry())]);
}

#[test]
fn a_damaged_file_is_refused_with_line_and_column() {
    for (format, text, line) in [
        (Format::Json, "{\n  \"a\": 1\n  \"b\": 2\n}", 2),
        (Format::Json, "{\n  \"a\": ", 2),
        (Format::Json, "{\n  'a': 1 }", 2),
        (Format::Json, "{} {}", 1),
        (Format::Toml, "a = 1\nb = \n", 2),
        (Format::Toml, "a = 1\na = 2\n", 2),
        (Format::Yaml, "a: 1\nb: [1,\n", 3),
    ] {
        let place = match format {
            Format::Json => JSON,
            Format::Yaml => YAML,
            _ => TOML,
        };
        match set(format, text, place, &entry(), None) {
            Err(Unusable::Damaged { line: found, column, message }) => {
                assert_eq!(found, line, "{text:?}: {message}");
                assert!(column >= 1 && !message.is_empty(), "{text:?}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn something_else_in_the_place_of_the_servers_is_refused() {
    for text in ["[1]", "{ \"mcpServers\": [] }", "{ \"mcpServers\": \"\" }", "\"x\""] {
        assert!(
            matches!(set(Format::Json, text, JSON, &entry(), None), Err(Unusable::Unexpected(_))),
            "{text}"
        );
    }
    for text in ["mcp_servers = 1\n", "[[mcp_servers]]\n", "[mcp_servers]\nminimax = 1\n"] {
        assert!(
            matches!(set(Format::Toml, text, TOML, &entry(), None), Err(Unusable::Unexpected(_))),
            "{text}"
        );
    }
}

#[test]
fn an_input_is_added_once_and_removed_with_the_entry() {
    let place = Place { servers: "servers", name: "minimax" };
    let input = json!({ "id": "key", "type": "promptString" });
    let text = "{\n  \"inputs\": [\n    { \"id\": \"other\" }\n  ]\n}\n";
    let once = set(Format::Json, text, place, &entry(), Some(&input)).unwrap();
    assert_eq!(once.matches("promptString").count(), 1, "{once}");
    assert_eq!(set(Format::Json, &once, place, &entry(), Some(&input)).unwrap(), once);
    let gone = remove(Format::Json, &once, place, Some("key")).unwrap();
    assert!(gone.contains("other") && !gone.contains("promptString"), "{gone}");
}
