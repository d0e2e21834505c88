//! What was wrong with a command line, in Japanese.

use super::dress::finish;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::error::Error as _;

/// The words for a mistake: what is wrong, what may have been meant, how the command is used.
pub(super) fn told(error: &Error) -> String {
    let Some(headline) = headline(error) else {
        return finish(&error.render().to_string());
    };
    let mut text = format!("エラー: {headline}\n");
    let meant = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue].into_iter().flat_map(|kind| texts(error, kind));
    for meant in meant {
        text.push_str(&format!("  「{meant}」ではありませんか。\n"));
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        text.push_str(&format!("\n{}\n", usage.to_string().trim_end()));
    }
    text.push_str("\n詳しくは、後ろに --help を付けて実行してください。\n");
    finish(&text)
}

fn texts(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// What is wrong. `None` where clap's own words are all there is.
fn headline(error: &Error) -> Option<String> {
    let first = |kind| texts(error, kind).into_iter().next();
    let argument = first(ContextKind::InvalidArg);
    let lines = |kind| texts(error, kind).into_iter().map(|text| format!("\n  {text}")).collect::<String>();
    Some(match error.kind() {
        ErrorKind::UnknownArgument => format!("「{}」という引数はありません。", argument?),
        ErrorKind::InvalidSubcommand => format!("「{}」というコマンドはありません。", first(ContextKind::InvalidSubcommand)?),
        ErrorKind::MissingSubcommand => format!("「{}」の後ろにコマンドが必要です:{}", first(ContextKind::InvalidSubcommand)?, lines(ContextKind::ValidSubcommand)),
        ErrorKind::MissingRequiredArgument => format!("必要な引数がありません:{}", lines(ContextKind::InvalidArg)),
        ErrorKind::InvalidValue => {
            let (argument, value) = (argument?, first(ContextKind::InvalidValue)?);
            let possible = texts(error, ContextKind::ValidValue).join(", ");
            let possible = if possible.is_empty() { possible } else { format!("\n  [選べる値: {possible}]") };
            if value.is_empty() { format!("「{argument}」に値がありません。{possible}") } else { format!("「{value}」は「{argument}」の値になりません。{possible}") }
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(|why| format!("({})", reason(&why.to_string()))).unwrap_or_default();
            format!("「{}」は「{}」の値になりません{why}。", first(ContextKind::InvalidValue)?, argument?)
        }
        ErrorKind::ArgumentConflict => {
            let others = texts(error, ContextKind::PriorArg);
            let argument = argument?;
            if others == [argument.clone()] {
                format!("「{argument}」は1回だけ指定できます。")
            } else if others.is_empty() {
                format!("「{argument}」は、ほかの引数と一緒に指定できません。")
            } else {
                format!("「{argument}」と一緒に指定できません:{}", lines(ContextKind::PriorArg))
            }
        }
        ErrorKind::TooManyValues => format!("「{}」は余分です。「{}」の値はこれ以上指定できません。", first(ContextKind::InvalidValue)?, argument?),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => format!("「{}」の値の数が違います。", argument?),
        ErrorKind::NoEquals => format!("「{}」には = で値を付けてください。", argument?),
        ErrorKind::InvalidUtf8 => "引数に UTF-8 でない文字があります。".to_owned(),
        _ => return None,
    })
}

/// Why a value does not serve. What the standard library says is said in Japanese; the rest are lists of names.
fn reason(why: &str) -> String {
    if let Some((_, span)) = why.split_once(" is not in ") {
        return format!("{} の範囲で指定してください", span.replace("..=", " から ").replace("..", " から "));
    }
    match why {
        "invalid digit found in string" => "数字で指定してください",
        "cannot parse integer from empty string" => "数字がありません",
        "number too large to fit in target type" => "数が大きすぎます",
        "number too small to fit in target type" => "数が小さすぎます",
        "invalid IP address syntax" => "IP アドレスの形ではありません",
        "invalid socket address syntax" => "「アドレス:ポート」の形ではありません",
        other => other,
    }
    .to_owned()
}
