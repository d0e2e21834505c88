//! Heads of the log that were signed and kept elsewhere, or cosigned by witnesses, against the log.

use super::findings::Findings;
use super::stamps::Stamp;
use super::{SeenBy, Trust};
use crate::checkpoint::{Checkpoint, PublicKey};
use crate::cosignature::WitnessPublic;
use crate::digest::Digest;
use crate::limits::MAX_CHECKPOINT_BYTES;
use crate::log::{Files, read_bounded};
use crate::rotation::{Rotation, open_by_any};

/// Folder of the checkpoints that witnesses signed.
pub const COSIGNED_DIR: &str = "log/cosigned";

const OUTSIDE: &str = "outside checkpoint";

/// A head that the log must continue.
pub(crate) struct Head {
    pub(crate) place: String,
    pub(crate) checkpoint: Checkpoint,
    pub(super) kind: Kind,
    /// The key of the log that signed it; `None` for the head of an exchange, which two keys signed.
    pub(super) key: Option<PublicKey>,
    /// The witness that signed it, if one did.
    pub(super) seen: Option<SeenBy>,
    /// The time stamp over it, if it bears one.
    pub(super) stamp: Option<Stamp>,
}

/// Where a head comes from, for the words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Outside,
    Witness,
    Rotation,
    Stamp,
}

/// The path of the newest checkpoint that a witness signed.
pub fn cosigned_path(witness: &WitnessPublic) -> String {
    format!("{COSIGNED_DIR}/{}", witness.id())
}

pub(super) fn heads(trust: &Trust<'_>, keys: &[PublicKey], files: &dyn Files, findings: &mut Findings) -> Vec<Head> {
    let mut heads = Vec::new();
    for text in trust.outside {
        match open_by_any(text, keys) {
            Ok((checkpoint, key)) => heads.push(Head { place: OUTSIDE.to_owned(), checkpoint, kind: Kind::Outside, key: Some(key.clone()), seen: None, stamp: None }),
            Err(breach) => findings.error(
                "outside-checkpoint",
                OUTSIDE,
                format_args!("The checkpoint from outside was not accepted: {breach}."),
                "外部に保管したチェックポイントの形式または署名が正しくありません。",
            ),
        }
    }
    for witness in trust.witnesses {
        heads.extend(witnessed(witness, keys, files, findings));
    }
    heads
}

fn witnessed(witness: &WitnessPublic, keys: &[PublicKey], files: &dyn Files, findings: &mut Findings) -> Option<Head> {
    let place = cosigned_path(witness);
    let bytes = match read_bounded(files, &place, MAX_CHECKPOINT_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            findings.error(
                "witness-missing",
                place,
                format_args!("The witness {} has signed no checkpoint of this copy.", witness.name()),
                format_args!("立会人(witness) {} が署名したチェックポイントがこの写しにありません。", witness.name()),
            );
            return None;
        }
        Err(fault) => {
            findings.error("unreadable", place, super::findings::printable(&fault.to_string()), "ファイルを読み取れません。");
            return None;
        }
    };
    let opened = String::from_utf8(bytes).map_err(|_| crate::checkpoint::CheckpointBreach::Form).and_then(|text| {
        // Both must have signed the same head: the log, and the witness.
        let (_, key) = open_by_any(&text, keys)?;
        witness.open(&text).map(|(checkpoint, second)| (checkpoint, second, key.clone()))
    });
    match opened {
        Ok((checkpoint, second, key)) => {
            let seen = SeenBy { witness: witness.name().to_owned(), entries: checkpoint.size, second };
            Some(Head { place, checkpoint, kind: Kind::Witness, key: Some(key), seen: Some(seen), stamp: None })
        }
        Err(breach) => {
            findings.error(
                "witness-signature",
                place,
                format_args!("The checkpoint of the witness {} was not accepted: {breach}.", witness.name()),
                format_args!("立会人(witness) {} のチェックポイントの形式または署名が正しくありません。", witness.name()),
            );
            None
        }
    }
}

/// Longest time, in milliseconds, over which entries were written that a witness has not signed, without being told.
const UNSEEN_MS: i64 = 3600 * 1000;

/// Tells if a witness's head lies far behind the end of the log: whoever rewrites what came after it has an old one left.
pub(super) fn behind(head: &Head, next_at: Option<i64>, last_at: Option<i64>, findings: &mut Findings) {
    if let (Kind::Witness, Some(next), Some(last)) = (head.kind, next_at, last_at)
        && last.saturating_sub(next) > UNSEEN_MS
    {
        findings.warning(
            "witness-behind",
            &head.place,
            format_args!("The witness signed {} entries; what was written after them, over {} min, it has not seen. Ask it for its newest.", head.checkpoint.size, (last - next) / 60_000),
            format_args!("立会人(witness)の署名は{}件までで、その後の{}分間の項目は見ていません。立会人から最新の署名を取り寄せてください。", head.checkpoint.size, (last - next) / 60_000),
        );
    }
}

/// The entry of the exchange by which the key that signed this head was laid down, if it signed more than it could.
fn laid_down(head: &Head, rotations: &[Rotation]) -> Option<u64> {
    let key = head.key.as_ref()?;
    rotations.iter().find(|rotation| rotation.old == *key).filter(|rotation| head.checkpoint.size > rotation.checkpoint.size).map(|rotation| rotation.seq)
}

pub(super) fn compare(head: &Head, inside: &Checkpoint, rotations: &[Rotation], root: Option<Digest>, sound: bool, findings: &mut Findings) {
    let outside = &head.checkpoint;
    let (whose, ja) = match head.kind {
        Kind::Outside => ("checkpoint from outside", "外部に保管したチェックポイント"),
        Kind::Witness => ("checkpoint of the witness", "立会人(witness)のチェックポイント"),
        Kind::Stamp => ("checkpoint under the time stamp", "タイムスタンプの対象のチェックポイント"),
        Kind::Rotation => ("last checkpoint of the earlier key", "交換前の鍵による最後のチェックポイント"),
    };
    if outside.origin != inside.origin {
        findings.error("outside-origin", &head.place, format_args!("The {whose} belongs to another log."), format_args!("{ja}は別のログのものです。"));
    } else if let Some(seq) = laid_down(head, rotations).filter(|_| outside.size > inside.size || (sound && root != Some(outside.root))) {
        findings.error(
            "former-key",
            &head.place,
            format_args!(
                "The {whose}, of {} entries, is signed by a key that the log laid down at entry {seq}: somebody has that key, or the exchange was made up by whoever has it.",
                outside.size
            ),
            format_args!("{ja}（{}件）は、項目{seq}で使用を終えた鍵による署名です。鍵が漏れたか、鍵の交換が偽造されています。", outside.size),
        );
    } else if outside.size > inside.size {
        findings.error(
            "log-cut",
            &head.place,
            format_args!(
                "The log has {} entries and had {} when the {whose} was signed: its tail was cut, or an \
                 older copy was restored.",
                inside.size, outside.size
            ),
            format_args!(
                "{ja}の時点で{}件あった項目が{}件しかありません。末尾の削除または古い複製への差し戻しです。",
                outside.size, inside.size
            ),
        );
    } else if sound && root != Some(outside.root) {
        findings.error(
            "log-forked",
            &head.place,
            format_args!(
                "The first {} entries are not those that the {whose} signs: history was rewritten, or \
                 two logs were shown.",
                outside.size
            ),
            format_args!("先頭の{}件が{ja}と一致しません。過去の書き換え、または二重のログです。", outside.size),
        );
    }
}
