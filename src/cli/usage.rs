//! Mistakes on the command line. clap finds and words them; here a few words are added that only this program knows, and
//! the frame is put into Chinese.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::texts::Language;

/// What clap says around names and values, and the same in Chinese.
const FRAME: &[(&str, &str)] = &[
    ("error: ", "错误："),
    ("Usage: ", "用法："),
    ("  tip: ", "  提示："),
    ("For more information, try '--help'.", "更多信息请运行 '--help'。"),
    ("unexpected argument '", "无法识别的参数 '"),
    ("unrecognized subcommand '", "没有这个命令：'"),
    ("' found\n", "'\n"),
    ("invalid value '", "无效的值 '"),
    ("' for '", "'，参数是 '"),
    ("the following required arguments were not provided:", "缺少以下参数："),
    ("the argument '", "参数 '"),
    ("' cannot be used with", "' 不能同时使用："),
    ("a value is required for '", "缺少参数值：'"),
    ("' but none was supplied", "'"),
    ("[possible values: ", "[可选值："),
    ("a similar argument exists: ", "相近的参数："),
    ("a similar subcommand exists: ", "相近的命令："),
    ("some similar subcommands exist: ", "相近的命令："),
    ("a similar value exists: ", "相近的值："),
    ("to pass '", "若要把 '"),
    ("' as a value, use '", "' 当作值，请写 '"),
    ("' exists\n", "' 存在\n"),
    (" [OPTIONS]", " [选项]"),
    (" [COMMAND]", " [命令]"),
];

/// Prints the help, or what is wrong.
pub(super) fn print(mut error: Error, typed: &[OsString], language: Language) -> ExitCode {
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    if !error.use_stderr() {
        // Help goes to stdout. No server runs yet, so stdout is free.
        let _ = error.print();
        return code;
    }
    if let Some(tip) = parameter(&error, typed) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    let text = error.render().to_string();
    let text = if asked(typed).unwrap_or(language) == Language::Zh { in_chinese(&text) } else { text };
    let _ = write!(io::stderr(), "{text}");
    code
}

/// The language that the command line asks for, although it is wrong.
fn asked(typed: &[OsString]) -> Option<Language> {
    let mut words = typed.iter().map(|word| word.to_string_lossy());
    let value = loop {
        let word = words.next()?;
        if word == "--lang" {
            break words.next()?.into_owned();
        }
        if let Some(value) = word.strip_prefix("--lang=") {
            break value.to_owned();
        }
    };
    match value.as_str() {
        "zh" => Some(Language::Zh),
        "en" => Some(Language::En),
        _ => None,
    }
}

/// How a parameter of a tool is written, if one was given like an option: `call TOOL --prompt "A fox"`.
fn parameter(error: &Error, typed: &[OsString]) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument || error.get(ContextKind::SuggestedArg).is_some() {
        return None;
    }
    let words: Vec<_> = typed.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    if words.iter().find(|word| !word.starts_with('-'))? != "call" {
        return None;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return None };
    let (option, value) =
        given.split_once('=').map_or((given.as_str(), None), |(option, value)| (option, Some(value)));
    let name = option.strip_prefix("--")?.replace('-', "_");
    let is_given =
        |word: &&std::borrow::Cow<'_, str>| **word == option || word.starts_with(&format!("{option}="));
    let at = words.iter().position(|word| is_given(&word))?;
    let inside = words.get(at).and_then(|word| word.split_once('=')).map(|(_, value)| value);
    let next = words
        .get(at + 1)
        .map(AsRef::as_ref)
        .filter(|word: &&str| !word.starts_with('-') && !word.contains('='));
    let value = value.or(inside).or(next).unwrap_or("VALUE");
    let value: String = value.chars().filter(|letter| !letter.is_control()).take(60).collect();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:@,".contains(letter);
    let value = if value.chars().all(is_plain) { value } else { format!("\"{}\"", value.replace('"', "'")) };
    Some(format!("a parameter of a tool is written without dashes: {name}={value}"))
}

fn in_chinese(text: &str) -> String {
    let text = FRAME.iter().fold(text.to_owned(), |text, (english, chinese)| text.replace(english, chinese));
    text.replace("a parameter of a tool is written without dashes: ", "工具的参数不带横线：")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::arguments::Arguments;
    use super::*;

    fn tip(words: &[&str]) -> Option<String> {
        let typed: Vec<_> = ["minimax-mcp"].iter().chain(words).map(OsString::from).collect();
        let error = Arguments::try_parse_from(&typed).unwrap_err();
        Some(parameter(&error, &typed)?.rsplit_once(": ")?.1.to_owned())
    }

    #[test]
    fn a_parameter_that_was_given_like_an_option_is_shown_as_it_is_written() {
        for (words, wanted) in [
            (&["call", "text_to_image", "--prompt", "x"][..], Some("prompt=x")),
            (&["call", "text_to_image", "--prompt=A fox"], Some("prompt=\"A fox\"")),
            (&["call", "text_to_image", "--aspect-ratio", "16:9"], Some("aspect_ratio=16:9")),
            (&["call", "text_to_image", "prompt=x", "--style"], Some("style=VALUE")),
            (&["--sandbox", "call", "text_to_image", "--seed", "--n"], Some("seed=VALUE")),
            // A misspelt option, and other commands.
            (&["call", "text_to_image", "--jsn"], None),
            (&["jobs", "--prompt", "x"], None),
            (&["call"], None),
        ] {
            assert_eq!(tip(words).as_deref(), wanted, "{words:?}");
        }
    }
}
