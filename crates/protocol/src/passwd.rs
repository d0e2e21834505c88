//! The dialogue of `passwd`, with which an account changes its own password: what it asks, and what it is answered.
//!
//! The program is started with `LC_ALL=C` on a terminal. It asks for the present password (not of root), for the new one
//! and for the new one again; shadow-utils, Linux-PAM and BSD differ in their words, not in their order. An answer is
//! given to a question only, each at most once, so that a program that asks something else learns nothing.

use crate::limits;
use std::fmt;

/// What the account is asked for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The present password.
    Present,
    /// The new password.
    New,
}

/// Why the dialogue leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It asked something that is none of the questions known, or asked again: the present password is wrong, or the
    /// new one does not please.
    Refused,
    /// It wrote more than any such program does.
    TooLong,
}

/// Follows one dialogue.
#[derive(Default)]
pub struct Dialogue {
    /// What was drawn since the last answer.
    heard: String,
    bytes: usize,
    given: u8,
    last: Option<Answer>,
}

impl fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What the target draws could repeat what it was told.
        f.debug_struct("Dialogue").field("given", &self.given).finish_non_exhaustive()
    }
}

impl Dialogue {
    /// Takes what the program wrote and gives the answer that it waits for, if it waits for one.
    ///
    /// # Errors
    /// [`Trouble`]: nothing more may be answered.
    pub fn heard(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Trouble> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > limits::PASSWD_BYTES {
            return Err(Trouble::TooLong);
        }
        self.heard.push_str(&String::from_utf8_lossy(bytes).to_ascii_lowercase());
        let Some(question) = question(&self.heard) else { return Ok(None) };
        let answer = match question {
            Question::Present => Answer::Present,
            Question::New | Question::Again => Answer::New,
        };
        // The order: present at most once and first, new once, again once.
        let in_order = match (question, self.given, self.last) {
            (Question::Present, 0, None) => true,
            (Question::New, _, None | Some(Answer::Present)) => true,
            (Question::Again, _, Some(Answer::New)) => self.given < 2,
            _ => false,
        };
        if !in_order {
            return Err(Trouble::Refused);
        }
        if answer == Answer::New {
            self.given += 1;
        }
        self.last = Some(answer);
        self.heard.clear();
        Ok(Some(answer))
    }

    /// True once the new password was given twice: the rest is the program's word and its exit status.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.given == 2
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Present,
    New,
    Again,
}

/// The question at the end of what was drawn: it stands on the last line, names a password and ends in a colon.
fn question(heard: &str) -> Option<Question> {
    let line = heard.rsplit(['\n', '\r']).next()?.trim_end();
    if !line.ends_with(':') || !line.contains("password") {
        return None;
    }
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if has(&["retype", "re-enter", "reenter", "repeat", "again", "verify"]) {
        Some(Question::Again)
    } else if has(&["new"]) {
        Some(Question::New)
    } else if has(&["current", "old"]) || line.ends_with("password:") {
        Some(Question::Present)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(lines: &[&str]) -> Vec<Result<Option<Answer>, Trouble>> {
        let mut dialogue = Dialogue::default();
        lines.iter().map(|line| dialogue.heard(line.as_bytes())).collect()
    }

    #[test]
    fn the_usual_programs_are_answered_in_their_order() {
        let present_new_new = [Ok(Some(Answer::Present)), Ok(Some(Answer::New)), Ok(Some(Answer::New))];
        for lines in [
            ["Changing password for maint.\r\nCurrent password: ", "\r\nNew password: ", "\r\nRetype new password: "],
            ["(current) UNIX password: ", "\r\nEnter new UNIX password: ", "\r\nRetype new UNIX password: "],
            ["Changing password for user maint.\r\nCurrent password: ", "New password: ", "Retype new password: "],
            ["Old Password:", "\nNew Password:", "\nRetype New Password:"],
        ] {
            assert_eq!(talk(&lines), present_new_new, "{lines:?}");
        }
        assert_eq!(talk(&["New password: ", "Retype new password: "]), [Ok(Some(Answer::New)), Ok(Some(Answer::New))]);
    }

    #[test]
    fn a_question_may_arrive_in_pieces_and_is_answered_once() {
        let mut dialogue = Dialogue::default();
        assert_eq!(dialogue.heard(b"Current pass"), Ok(None));
        assert_eq!(dialogue.heard(b"word: "), Ok(Some(Answer::Present)));
        assert_eq!(dialogue.heard(b"\r\n"), Ok(None));
        assert!(!dialogue.is_complete());
        assert_eq!(dialogue.heard(b"New password: "), Ok(Some(Answer::New)));
        assert_eq!(dialogue.heard(b"\r\nRetype new password: "), Ok(Some(Answer::New)));
        assert!(dialogue.is_complete());
        assert_eq!(dialogue.heard(b"\r\npasswd: password updated successfully\r\n"), Ok(None));
    }

    #[test]
    fn nothing_is_answered_twice_or_out_of_order() {
        let refused = Err(Trouble::Refused);
        assert_eq!(talk(&["Current password: ", "\r\nCurrent password: "])[1], refused);
        assert_eq!(talk(&["New password: ", "\r\nBAD PASSWORD: too short\r\nNew password: "])[1], refused);
        assert_eq!(talk(&["New password: ", "Retype new password: ", "New password: "])[2], refused);
        assert_eq!(talk(&["Retype new password: "])[0], refused);
        assert_eq!(talk(&["New password: ", "\r\nCurrent password: "])[1], refused);
    }

    #[test]
    fn other_words_get_no_answer_and_a_flood_ends() {
        assert_eq!(talk(&["login: ", "Your password will expire: soon\r\n", "Passphrase:"]), [Ok(None), Ok(None), Ok(None)]);
        let mut dialogue = Dialogue::default();
        assert_eq!(dialogue.heard(&vec![b'x'; limits::PASSWD_BYTES + 1]), Err(Trouble::TooLong));
    }
}
