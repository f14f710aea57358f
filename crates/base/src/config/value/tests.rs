//! Values as people write them.

use super::*;

#[test]
fn quotes_of_every_kind_blanks_and_line_ends_around_a_value_are_dropped() {
    for given in [
        "/a b",
        " /a b\r\n",
        "\"/a b\"",
        "'/a b'",
        "\"'/a b'\"",
        "“/a b”",
        "‘/a b’",
        "„/a b“",
        "«/a b»",
        "\u{feff}\"/a b\"\n",
        "`/a b`",
    ] {
        assert_eq!(unquoted(given), "/a b", "{given}");
    }
    for kept in ["a\"b", "\"a\",\"b\"", "it's", "'s Gravenhage"] {
        assert_eq!(unquoted(kept), kept);
    }
    assert_eq!((unquoted("\"\""), unquoted("\"")), ("", "\""));
}

#[test]
fn a_real_key_is_found_whatever_it_was_pasted_with() {
    for wrapped in [
        "KEY",
        "\"KEY\"",
        "'KEY'",
        "“KEY”",
        "\\\"KEY\\\"",
        "\"KEY",
        "KEY\\n",
        "Bearer KEY",
        "bearer  KEY",
        "\"Bearer KEY\"",
        "Authorization: Bearer KEY",
        "MINIMAX_API_KEY=KEY",
        "export MINIMAX_API_KEY=\"KEY\"\n",
        "<KEY>",
        "[KEY]",
        "bearer:KEY",
        "api_key=KEY",
        "apiKey: \"KEY\",",
        "key: KEY;",
        "\u{200b}KEY\u{a0}",
    ] {
        for real in ["sk-api-AbCd0123_-xyz", "sk-cp-your2key", "eyJhbGciOi.eyJzdWIi.c2ln"] {
            let given =
                wrapped.replace("KEY", real).replace(&format!("MINIMAX_API_{real}"), "MINIMAX_API_KEY");
            assert_eq!(key(&given), KeyText::Key(real.to_owned()), "{given}");
        }
    }
}

#[test]
fn an_unusual_key_is_not_a_placeholder() {
    for real in [
        "demo",
        "dummy",
        "EMPTY",
        "not-needed",
        "sk-1234",
        "sandbox-2049",
        "sk-api-xxA1xx",
        "sk-litellm-master",
        "my-secret-token",
        "Xy9$kk",
        "a.b.c",
        "sk-yourA1",
    ] {
        assert_eq!(key(real), KeyText::Key(real.to_owned()));
    }
}

#[test]
fn texts_that_guides_and_clients_put_in_place_of_a_key_are_placeholders() {
    for left in [
        "$KEY",
        "$MINIMAX_API_KEY",
        "$minimax_key",
        "$env:MINIMAX_API_KEY",
        "${KEY}",
        "${input:minimax-key}",
        "${env:MINIMAX_API_KEY}",
        "${user_config.api_key}",
        "${{ secrets.MINIMAX }}",
        "$(pass show minimax)",
        "%KEY%",
        "%MINIMAX_API_KEY%",
        "{{KEY}}",
        "{{ minimax_key }}",
        "{API_KEY}",
        "op://vault/minimax/key",
        "os.environ/MINIMAX_API_KEY",
        "process.env.MINIMAX_API_KEY",
        "<insert-your-api-key-here>",
        "<KEY>",
        "<…>",
        "[your key]",
        "[API_KEY]",
        "(key)",
        "null",
        "undefined",
        "None",
        "your_api_key_here",
        "your-key",
        "your key",
        "YOUR_API_KEY",
        "Your MiniMax API Key",
        "yourkey",
        "insert key here",
        "paste-your-key",
        "sk-…",
        "sk-...",
        "sk-api-...",
        "sk-api-xxxxxxxx",
        "sk-xxxx-xxxx",
        "sk-cp-your-key",
        "sk-api-your-key-here",
        "xxx",
        "XXXXXXXX",
        "********",
        "REPLACE_ME",
        "replace-with-your-key",
        "changeme",
        "change_me",
        "TODO",
        "MINIMAX_API_KEY",
        "MINIMAX_PLAN_KEY",
        "${env:MINIMAX_PLAN_KEY}",
        "__MINIMAX_API_KEY__",
        "\"$KEY\"",
        "Bearer ${KEY}",
        "Bearer your-key",
    ] {
        assert!(matches!(key(left), KeyText::Placeholder(_)), "{left}: {:?}", key(left));
    }
    assert_eq!((key(" "), key("\"\"")), (KeyText::Empty, KeyText::Empty));
}

#[test]
fn a_text_with_more_than_a_key_in_it_is_unusable() {
    for text in ["sk-api-a sk-api-b", "sk-api-ключ", "sk-api-a\nsk-api-b", "see the notes"] {
        assert_eq!(key(text), KeyText::Unusable, "{text}");
    }
}

#[test]
fn a_shortened_real_key_is_not_shown() {
    let KeyText::Placeholder(told) = key("sk-api-AbCdEf...wXyZ") else { panic!() };
    assert!(!told.contains("AbCd"), "{told}");
}

#[test]
fn a_path_that_contains_a_variable_is_not_a_placeholder() {
    for part in
        ["${HOME}/minimax", "$HOME/minimax", "/home/ada/your folder/x", "5", "0", "all,legacy", "image-01"]
    {
        assert!(!is_placeholder(part), "{part}");
    }
}
