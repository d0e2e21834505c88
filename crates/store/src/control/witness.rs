//! 立会い: who is present at a session that demands a witness.
//!
//! INVARIANT: the gateway is told to go on only after a witness's coming is in the log, and to stand still before the
//! last one's going is.

use super::note_in_recording;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::recordings::Writer;
use sekisho_core::control::Control;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use std::sync::Arc;

impl Store {
    /// Whether this person can be a witness at the session: of the hospital, and no worker of its plan.
    pub(crate) async fn may_witness(&self, actor: &Actor, session: &SessionId) -> Done<bool> {
        let Some(person) = actor.person.as_ref().filter(|_| actor.is_hospital()) else { return Ok(false) };
        let text = "SELECT w.person FROM plan_workers w JOIN sessions s ON s.plan = w.plan WHERE s.id = $1 AND w.person = $2";
        let row = sqlx::query(text).bind(session.as_str().to_owned()).bind(person.as_str().to_owned()).fetch_optional(self.read()).await;
        Ok(row.map_err(Fault::from)?.is_none())
    }

    /// Looks after the witnesses of all running sessions. Called with each beat; waits for nothing.
    pub(crate) fn look_at_witnesses(&self) {
        let now = self.now();
        for writer in self.inner.shelf.writers() {
            if !writer.reins().attend(now) {
                continue;
            }
            let store = self.clone();
            tokio::spawn(async move {
                if let Err(fault) = store.attend(&writer).await {
                    // Whoever is gone does not count any more, and whoever came does not count yet; the next beat tries.
                    tracing::error!(%fault, session = %writer.session(), "the coming or going of a witness could not be written down");
                }
                writer.reins().attended();
            });
        }
    }

    async fn attend(&self, writer: &Arc<Writer>) -> Result<(), Fault> {
        let reins = writer.reins();
        // Standing still waits for nobody, not even for another act.
        self.tell_standing(writer);
        let _turn = reins.turn.lock().await;
        let moves = reins.moves(self.now());
        let came = moves.came.iter().map(|(_, actor)| (actor, Control::WitnessCame { by: actor.name.clone() }));
        let left = moves.left.iter().map(|(_, actor)| (actor, Control::WitnessLeft { by: actor.name.clone() }));
        let acts: Vec<(&Actor, Control)> = left.chain(came).collect();
        if acts.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        for (actor, control) in &acts {
            tx.fact_by((*actor).clone(), Fact::Controlled { session: writer.session().clone(), control: control.clone() });
        }
        tx.commit().await?;
        reins.wrote(&moves);
        for (_, control) in &acts {
            note_in_recording(writer, control);
        }
        self.tell_standing(writer);
        Ok(())
    }
}
