//! Every page that a role is shown, as that role: nothing breaks, and nothing leads nowhere.

use super::demo;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Pages of one role that are walked at most; the demo has far fewer.
const MOST: usize = 250;

/// Values of an attribute in the page's markup.
fn values(html: &str, attribute: &str) -> BTreeSet<String> {
    let start = format!(" {attribute}=\"");
    html.split(&start)
        .skip(1)
        .filter_map(|rest| rest.split_once('"').map(|(value, _)| value.replace("&amp;", "&").replace("&#x2f;", "/")))
        .filter(|value| value.starts_with('/'))
        .map(|value| value.split('#').next().unwrap_or_default().to_owned())
        .collect()
}

/// Addresses that differ only in identifiers are of one kind; two of a kind are enough.
fn kind(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    path.split('/').map(|part| if part.contains('-') && part.len() > 12 || part.chars().all(|c| c.is_ascii_digit()) && !part.is_empty() { "*" } else { part }).collect::<Vec<_>>().join("/")
}

#[test]
fn every_page_of_every_role_answers_and_leads_somewhere() {
    let demo = demo::shared();
    let mut wrong = Vec::new();
    let mut walked = BTreeMap::new();
    for login in ["aoki", "ishikawa", "ueda", "eguchi", "ohno", "kato", "kimura", "sato", "takahashi"] {
        let cookie = demo.cookie(login);
        let mut seen: BTreeSet<String> = BTreeSet::from(["/".to_owned()]);
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut forms: BTreeSet<String> = BTreeSet::new();
        let mut open: VecDeque<(String, String)> = VecDeque::from([("/".to_owned(), "the login".to_owned())]);
        let mut count = 0;
        while let Some((path, from)) = open.pop_front() {
            if count >= MOST {
                break;
            }
            count += 1;
            let answer = demo.api.page(&cookie, &path);
            // An answer that leads on is followed like a link.
            if (300..400).contains(&answer.status) {
                if seen.insert(answer.location.clone()) {
                    open.push_back((answer.location.clone(), path.clone()));
                }
                if answer.location.starts_with("/login") {
                    wrong.push(format!("{login}: {path} (from {from}) leads to the login"));
                }
                continue;
            }
            if answer.status != 200 {
                wrong.push(format!("{login}: {path} (from {from}) answers {}", answer.status));
                continue;
            }
            if !answer.text.contains("<html") {
                continue;
            }
            for href in values(&answer.text, "href") {
                let of_a_kind = kinds.entry(kind(&href)).or_default();
                if !seen.contains(&href) && *of_a_kind < 2 {
                    *of_a_kind += 1;
                    seen.insert(href.clone());
                    open.push_back((href, path.clone()));
                }
            }
            // Sent without the page's own value, a form is refused; that it is refused and not lost is what is asked.
            for attribute in ["action", "formaction"] {
                for action in values(&answer.text, attribute) {
                    if matches!(action.as_str(), "/logout" | "/language") || !forms.insert(kind(&action)) {
                        continue;
                    }
                    let is_get = answer.text.contains(&format!("method=\"get\" action=\"{action}\""));
                    let sent = if is_get { demo.api.page(&cookie, &action) } else { demo.api.form(&cookie, &action, &[("nothing", "")]) };
                    let refused_as_foreign = !is_get && sent.status == 403 && sent.text.contains("SKS-1012");
                    // A search without its fields may be told so.
                    if !(refused_as_foreign || is_get && matches!(sent.status, 200 | 422)) {
                        wrong.push(format!("{login}: the form to {action} on {path} answers {}", sent.status));
                    }
                }
            }
            // What is fetched anew every few seconds, and what the viewers load.
            for fragment in values(&answer.text, "data-refresh").into_iter().chain(values(&answer.text, "data-replay")) {
                let part = demo.api.page(&cookie, &fragment);
                if part.status != 200 {
                    wrong.push(format!("{login}: {fragment} on {path} answers {}", part.status));
                }
            }
        }
        walked.insert(login, count);
    }
    assert!(wrong.is_empty(), "{} wrong of {walked:?}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(walked.values().all(|count| *count >= 4), "{walked:?}");
}

#[test]
fn pages_that_a_role_is_not_shown_are_refused_and_nobody_sees_any() {
    let demo = demo::shared();
    let told = |login: &str, path: &str| {
        let answer = demo.api.page(&demo.cookie(login), path);
        (answer.status, answer.text.contains("SKS-2001") || answer.text.contains("SKS-2002"))
    };
    for (login, path) in [("sato", "/log"), ("sato", "/persons"), ("eguchi", "/vendors"), ("takahashi", "/targets/new"), ("ohno", "/log"), ("ueda", "/persons/new")] {
        let (status, said) = told(login, path);
        assert!((status == 403 || status == 404) && said, "{login} asked for {path} and got {status}");
    }
    for path in ["/", "/plans", "/sessions", "/log", "/persons", "/account", "/health"] {
        let answer = demo.api.page("", path);
        assert!(answer.status == 303 && answer.location.starts_with("/login"), "a stranger asked for {path} and got {} {}", answer.status, answer.location);
    }
    assert_eq!(demo.api.page("", "/nothing/here").status, 404);
}
