//! Export of one channel as asciicast v2, which common terminal players read.

use std::io::{self, Write};

use serde_json::json;

use super::frame::{Frame, Timed};
use super::{Header, RecordingBreach};

/// Size of a terminal that never said its own.
const DEFAULT_SIZE: (u32, u32) = (80, 24);

/// An export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// The recording was not accepted.
    #[error(transparent)]
    Recording(#[from] RecordingBreach),
    /// Writing failed.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Writes one channel as asciicast v2 and gives the number of events: output and errors as `o`, sizes as `r`, commands,
/// messages and markers as `m`. What the worker typed is not in a recording and so not in the export.
///
/// # Errors
/// An [`ExportFault`]; what was written until then stands.
pub fn asciicast(
    header: &Header,
    frames: impl IntoIterator<Item = Result<Timed, RecordingBreach>>,
    channel: u32,
    out: &mut dyn Write,
) -> Result<u64, ExportFault> {
    let mut cast = Cast {
        header,
        out,
        begun: false,
        events: 0,
        tails: [Vec::new(), Vec::new()],
    };
    let mut last_ms = 0;
    for timed in frames {
        let Timed {
            at_ms,
            channel: number,
            frame,
        } = timed?;
        if number != channel {
            continue;
        }
        last_ms = at_ms;
        match frame {
            Frame::Output(data) => cast.output(at_ms, 0, &data)?,
            Frame::Error(data) => cast.output(at_ms, 1, &data)?,
            // The first size stands in the header if nothing was shown before it.
            Frame::Resize { cols, rows } if !cast.begun => cast.begin((cols, rows))?,
            Frame::Resize { cols, rows } => cast.event(at_ms, "r", &format!("{cols}x{rows}"))?,
            Frame::Command { text, .. } => cast.event(at_ms, "m", &format!("$ {text}"))?,
            Frame::Message { text } | Frame::Marker { text } => cast.event(at_ms, "m", &text)?,
            _ => {}
        }
    }
    cast.finish(last_ms)
}

struct Cast<'a> {
    header: &'a Header,
    out: &'a mut dyn Write,
    begun: bool,
    events: u64,
    /// Bytes of a character that was cut between two frames, for output and for errors.
    tails: [Vec<u8>; 2],
}

impl Cast<'_> {
    fn begin(&mut self, (width, height): (u32, u32)) -> Result<(), ExportFault> {
        if !self.begun {
            self.begun = true;
            let line = json!({
                "version": 2,
                "width": width,
                "height": height,
                "timestamp": self.header.started_at.div_euclid(1000),
                "title": format!("{} {}", self.header.session, self.header.target),
            });
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn event(&mut self, at_ms: u64, kind: &str, text: &str) -> Result<(), ExportFault> {
        self.begin(DEFAULT_SIZE)?;
        let text = serde_json::Value::from(text);
        writeln!(
            self.out,
            "[{}.{:03}, \"{kind}\", {text}]",
            at_ms / 1000,
            at_ms % 1000
        )?;
        self.events += 1;
        Ok(())
    }

    fn output(&mut self, at_ms: u64, stream: usize, data: &[u8]) -> Result<(), ExportFault> {
        let Some(tail) = self.tails.get_mut(stream) else {
            return Ok(());
        };
        let mut bytes = std::mem::take(tail);
        bytes.extend_from_slice(data);
        *tail = bytes.split_off(bytes.len() - unfinished(&bytes));
        if bytes.is_empty() {
            Ok(())
        } else {
            self.event(at_ms, "o", &String::from_utf8_lossy(&bytes))
        }
    }

    fn finish(mut self, at_ms: u64) -> Result<u64, ExportFault> {
        for tail in std::mem::take(&mut self.tails) {
            if !tail.is_empty() {
                self.event(at_ms, "o", &String::from_utf8_lossy(&tail))?;
            }
        }
        self.begin(DEFAULT_SIZE)?;
        Ok(self.events)
    }
}

/// How many bytes at the end are the beginning of a UTF-8 character that is not yet whole.
fn unfinished(bytes: &[u8]) -> usize {
    for (back, byte) in bytes.iter().rev().take(3).enumerate() {
        let wanted = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if back + 1 < wanted { back + 1 } else { 0 };
    }
    0
}
