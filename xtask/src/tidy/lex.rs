//! Enough of Rust's lexical rules to tell code from comments, strings and tests.

/// The text with comments and string contents blanked; line breaks stay, so that lines keep their numbers.
pub fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&here) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        match (here, next) {
            ('/', Some('/')) => {
                while chars.get(at).is_some_and(|&c| c != '\n') {
                    out.push(' ');
                    at += 1;
                }
            }
            ('/', Some('*')) => {
                let mut depth = 0usize;
                while let Some(&c) = chars.get(at) {
                    let two = (c, chars.get(at + 1).copied());
                    let step = match two {
                        ('/', Some('*')) => {
                            depth += 1;
                            2
                        }
                        ('*', Some('/')) => {
                            depth -= 1;
                            2
                        }
                        _ => 1,
                    };
                    for offset in 0..step {
                        out.push(if chars.get(at + offset) == Some(&'\n') {
                            '\n'
                        } else {
                            ' '
                        });
                    }
                    at += step;
                    if depth == 0 {
                        break;
                    }
                }
            }
            ('r', Some('"' | '#')) if !ends_with_word(&out) || ends_with_prefix(&out) => {
                let hashes = chars.iter().skip(at + 1).take_while(|&&c| c == '#').count();
                if chars.get(at + 1 + hashes) != Some(&'"') {
                    out.push(here);
                    at += 1;
                    continue;
                }
                at += 2 + hashes;
                out.push('"');
                while let Some(&c) = chars.get(at) {
                    if c == '"'
                        && chars
                            .iter()
                            .skip(at + 1)
                            .take(hashes)
                            .filter(|&&c| c == '#')
                            .count()
                            == hashes
                    {
                        at += 1 + hashes;
                        break;
                    }
                    out.push(if c == '\n' { '\n' } else { ' ' });
                    at += 1;
                }
                out.push('"');
            }
            ('"', _) => {
                out.push('"');
                at += 1;
                while let Some(&c) = chars.get(at) {
                    at += 1;
                    match c {
                        '"' => break,
                        '\\' => {
                            out.push(' ');
                            if chars.get(at) == Some(&'\n') {
                                out.push('\n');
                            }
                            at += 1;
                        }
                        '\n' => out.push('\n'),
                        _ => out.push(' '),
                    }
                }
                out.push('"');
            }
            // A character literal, not a lifetime: closed by a quote after one character or one escape.
            ('\'', Some('\\')) => {
                out.push('\'');
                at += 3;
                while chars.get(at).is_some_and(|&c| c != '\'' && c != '\n') {
                    at += 1;
                }
                at += 1;
                out.push('\'');
            }
            ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => {
                out.push_str("' '");
                at += 3;
            }
            _ => {
                out.push(here);
                at += 1;
            }
        }
    }
    out
}

fn ends_with_word(out: &str) -> bool {
    out.chars()
        .next_back()
        .is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// `br"..."`: the letter before is a string's prefix and not the end of a name.
fn ends_with_prefix(out: &str) -> bool {
    let mut back = out.chars().rev();
    back.next() == Some('b') && !back.next().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// [`code`] with the bodies of `#[cfg(test)]` modules and functions blanked as well.
pub fn shipped(text: &str) -> String {
    let mut code = code(text);
    let mut from = 0;
    while let Some(found) = code.get(from..).and_then(|rest| rest.find("#[cfg(test)]")) {
        let start = from + found;
        let Some(rest) = code.get(start..) else { break };
        let open = rest.find('{');
        let semicolon = rest.find(';');
        let end = match (open, semicolon) {
            (Some(open), Some(semi)) if semi < open => start + semi + 1,
            (Some(open), _) => close(&code, start + open),
            (None, Some(semi)) => start + semi + 1,
            (None, None) => code.len(),
        };
        let blank: String = code
            .get(start..end)
            .unwrap_or_default()
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        let grown = blank.len();
        code.replace_range(start..end, &blank);
        from = start + grown;
    }
    code
}

/// The place after the brace that closes the one at `open`.
pub fn close(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, c) in code.get(open..).unwrap_or_default().char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return open + at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Every place of `word` in `code` that is no part of a longer name, as line numbers from 1.
///
/// Spaces around `::` do not hide a path.
pub fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let line = line.replace(" ::", "::").replace(":: ", "::");
        let mut from = 0;
        while let Some(at) = line.get(from..).and_then(|rest| rest.find(word)) {
            let start = from + at;
            let end = start + word.len();
            let before = line.get(..start).and_then(|text| text.chars().next_back());
            let after = line.get(end..).and_then(|text| text.chars().next());
            let opens = !word.starts_with(name) || !before.is_some_and(name);
            let shuts = !word.ends_with(name) || !after.is_some_and(name);
            if opens && shuts {
                found.push(number + 1);
                break;
            }
            from = end;
        }
    }
    found
}

/// The names that `std::{...}` groups bring in, each with its line: `use std::{fs, net::TcpStream}` gives fs and net.
pub fn std_groups(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code.get(from..).and_then(|rest| rest.find("std::{")) {
        let open = from + at + "std::".len();
        let end = close(code, open);
        let line = code.get(..open).unwrap_or_default().lines().count().max(1);
        let mut depth = 0;
        let mut name = String::new();
        let mut taken = false;
        for c in code.get(open..end).unwrap_or_default().chars() {
            if !name.is_empty() && !(c.is_alphanumeric() || c == '_') {
                found.push((line, std::mem::take(&mut name)));
                taken = true;
            }
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => taken = false,
                _ if depth == 1 && !taken && (c.is_alphanumeric() || c == '_') => name.push(c),
                _ => {}
            }
        }
        from = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_no_code() {
        let text = "let a = \"std::fs\"; // std::fs\n/* std::fs /* x */ std::fs */ let b = r#\"std::fs \" \"#; let c = '\"'; std::fs";
        assert_eq!(lines_with(&code(text), "std::fs"), vec![2]);
        let escaped = "let a = \"\\\" std::fs\"; let l: &'static str = '\\''; std::fs";
        assert_eq!(code(escaped).matches("std::fs").count(), 1);
    }

    #[test]
    fn test_modules_do_not_ship() {
        let text = "fn a() { unsafe {} }\n#[cfg(test)]\nmod tests {\n fn b() { unsafe {} }\n}\nfn c() { unsafe {} }";
        assert_eq!(lines_with(&shipped(text), "unsafe"), vec![1, 6]);
        let one = "#[cfg(test)] use x::y;\nunsafe";
        assert_eq!(lines_with(&shipped(one), "unsafe"), vec![2]);
    }

    #[test]
    fn longer_names_are_other_names() {
        assert!(lines_with("unsafe_code my_unsafe", "unsafe").is_empty());
        assert_eq!(lines_with("std :: fs", "std::fs"), vec![1]);
    }

    #[test]
    fn groups_of_std_are_opened() {
        let names: Vec<String> =
            std_groups("use std::{fs, collections::{BTreeMap, env}, net::TcpStream};")
                .into_iter()
                .map(|(_, name)| name)
                .collect();
        assert_eq!(names, ["fs", "collections", "net"]);
    }
}
