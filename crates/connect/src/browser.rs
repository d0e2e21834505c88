//! Showing a page of Sekisho to the person: in the browser of their desktop, or as an address on the terminal.

use crate::surroundings::value;
use crate::trouble::Trouble;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

/// Longest address that is shown or opened.
const URL_BYTES: usize = 400;

/// An address that may be handed to a program: HTTPS, without a name or password in it, of plain characters alone, and the
/// page for this request.
pub fn checked(url: &str, id: &str) -> Result<String, Trouble> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./:-_[]".contains(&byte);
    let rest = url.strip_prefix("https://").ok_or(Trouble::PageForm)?;
    let sound = url.len() <= URL_BYTES && rest.bytes().all(plain) && rest.ends_with(&format!("/connect/{id}")) && !rest.starts_with(['/', '-', ':']);
    if sound { Ok(url.to_owned()) } else { Err(Trouble::PageForm) }
}

/// True if somebody sits at a terminal and a browser could open beside it.
pub fn is_there() -> bool {
    std::io::stderr().is_terminal() && (cfg!(any(windows, target_os = "macos")) || ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| value(name).is_some()))
}

/// Opens a page. Whether a browser comes up is not known; the address stands on the terminal as well.
pub fn open(url: &str) {
    let (program, before): (String, &[&str]) = if let Some(own) = own_browser() {
        (own, &[])
    } else if cfg!(windows) {
        ("rundll32".into(), &["url.dll,FileProtocolHandler"])
    } else if cfg!(target_os = "macos") {
        ("open".into(), &[])
    } else {
        ("xdg-open".into(), &[])
    };
    // No shell reads the address, and its form was checked.
    let _ = Command::new(program).args(before).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// The person's own choice: the first program of `BROWSER`.
fn own_browser() -> Option<String> {
    let text = value("BROWSER")?;
    let first = if cfg!(windows) { text.as_str() } else { text.split(':').next().unwrap_or_default() };
    (!first.trim().is_empty()).then(|| first.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_of_this_request_is_opened() {
        let id = "con-7777777777777777";
        for good in ["https://gate.example/connect/con-7777777777777777", "https://gate.example:8443/connect/con-7777777777777777", "https://[2001:db8::1]:8443/connect/con-7777777777777777"] {
            assert!(checked(good, id).is_ok(), "{good}");
        }
        for bad in [
            "",
            "http://gate.example/connect/con-7777777777777777",
            "file:///connect/con-7777777777777777",
            "https://gate.example/connect/con-6666666666666666",
            "https:///connect/con-7777777777777777",
            "https://a b/connect/con-7777777777777777",
            "https://sato@gate.example/connect/con-7777777777777777",
            "https://gate.example/x?$(id)/connect/con-7777777777777777",
            "https://-gate/connect/con-7777777777777777",
        ] {
            assert!(checked(bad, id).is_err(), "{bad}");
        }
    }
}
