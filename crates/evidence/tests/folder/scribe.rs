//! Both hands of the recorder in one: what is pushed is packed on the same thread.

use sekisho_evidence::recording::{
    DataKey, Encoder, Frame, Header, Packer, RecordingBreach, Seal, Sealed,
};

pub struct Scribe {
    pub encoder: Encoder,
    packer: Packer,
}

impl Scribe {
    pub fn start(header: &Header, key: DataKey) -> Result<(Self, Vec<u8>), RecordingBreach> {
        let (encoder, packer, bytes) = Encoder::start(header, key)?;
        Ok((Self { encoder, packer }, bytes))
    }

    pub fn push(&mut self, at_ms: u64, channel: u32, frame: Frame) -> Result<(), RecordingBreach> {
        self.encoder.push(at_ms, channel, frame)
    }

    /// The segments of all that waits.
    pub fn cut(&mut self) -> Result<Vec<u8>, RecordingBreach> {
        let mut out = Vec::new();
        while let Some(batch) = self.encoder.take() {
            self.packer.pack(&batch, &mut out)?;
            self.encoder.reuse(batch);
        }
        Ok(out)
    }

    pub fn seal(self, seal: Seal) -> Result<(Vec<u8>, Sealed), RecordingBreach> {
        self.packer.seal(self.encoder, seal)
    }
}
