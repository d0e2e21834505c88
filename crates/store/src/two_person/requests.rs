//! Requests to view: asked by one person, agreed to by the holder of a second key, who hands in the shares of the recordings.

use super::opener::header_of;
use super::shares::{Handed, Share};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::blocking;
use crate::secrets::random_id;
use sekisho_core::auditor_key::check_reason;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PersonId, SecondKeyId, SessionId, ViewingRequestId};
use sekisho_core::letter::ViewingStage;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::two_person::{ViewingAsk, ViewingDetail, ViewingRequest, ViewingState, may_confirm};
use sekisho_evidence::Digest;
use sekisho_evidence::recording::{Header, RecipientKind, RequestText, SecondShare, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zeroize::Zeroizing;

/// Who reads all requests beside their own.
fn reads_all(actor: &Actor) -> bool {
    actor.is(Role::Planner) || actor.is(Role::SafetyManager) || actor.is(Role::Auditor)
}

/// Who ends an agreement: who asked, a holder, and whoever puts keys in force. To close what stands open takes nobody else.
fn may_end(actor: &Actor, request: &ViewingRequest, held: bool) -> bool {
    held || actor.is_person(&request.by) || may_confirm(actor).is_ok()
}

impl Store {
    /// Requests that concern this person, the newest first: one's own, those whose recordings one holds a second key of, and all of
    /// them for planner, safety manager and auditor.
    ///
    /// # Errors
    /// Without the right.
    pub async fn viewing_requests(&self, actor: &Actor) -> Done<Vec<ViewingRequest>> {
        self.require(actor, Action::ReadViewing, None, "viewing_requests").await?;
        let mut all: Vec<ViewingRequest> = self.book(|book| {
            let holds = |request: &ViewingRequest| actor.person.as_ref().is_some_and(|person| book.held_by(request, person).is_some());
            book.requests().filter(|one| reads_all(actor) || actor.is_person(&one.by) || holds(one)).cloned().collect()
        });
        all.sort_by_key(|request| std::cmp::Reverse(request.asked_at));
        Ok(all)
    }

    /// One request.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`] for one that does not concern this person.
    pub async fn viewing_request(&self, actor: &Actor, id: &ViewingRequestId) -> Done<ViewingDetail> {
        self.require(actor, Action::ReadViewing, None, "viewing_request").await?;
        let (request, held) = self.request_for(actor, id)?;
        if !reads_all(actor) && !held && !actor.is_person(&request.by) {
            return Err(Refusal::NotFound.into());
        }
        let now = self.steady_now();
        let keys: Vec<(PersonId, String)> = self.book(|book| book.holding_all(&request).into_iter().map(|key| (key.holder.clone(), key.name.clone())).collect());
        let mut holders: Vec<(PersonId, String)> = Vec::new();
        for (person, name) in keys {
            let stands = self.load_person(self.read(), &person).await?.is_some_and(|person| person.may_act(now));
            if stands && person != request.by && holders.iter().all(|(other, _)| *other != person) {
                holders.push((person, name));
            }
        }
        let (at_hand, mine) = (request.is_open(now) && self.inner.shares.has(id, now), actor.is_person(&request.by));
        let may_end = request.is_open(now) && may_end(actor, &request, held);
        let may_agree = held && !mine && !at_hand && request.agreed_until(now).is_ok() && may(actor, Action::AgreeViewing, None).is_ok();
        Ok(ViewingDetail { request, holders, may_agree, may_end, mine, at_hand })
    }

    /// A request, and whether this person holds a second key of its recordings.
    fn request_for(&self, actor: &Actor, id: &ViewingRequestId) -> Done<(ViewingRequest, bool)> {
        let found = self.book(|book| {
            let request = book.request(id)?.clone();
            let held = actor.person.as_ref().is_some_and(|person| book.held_by(&request, person).is_some());
            Some((request, held))
        });
        Ok(found.ok_or(Refusal::NotFound)?)
    }

    /// Asks to open recordings that nobody opens alone.
    ///
    /// # Errors
    /// Without the right to view them; [`Refusal::BadField`], also for a recording that needs nobody's agreement;
    /// [`Refusal::NoCommonSecondKey`]; [`Refusal::too_many`].
    pub async fn ask_viewing(&self, actor: &Actor, ask: ViewingAsk) -> Done<ViewingRequest> {
        self.allowed(actor, Action::ViewRecording, &ask.session, "ask_viewing").await?;
        // The console is nobody, and behind an emergency account could be the one who agrees: neither can be one of two.
        let person = match actor.person.clone().filter(|_| !actor.emergency) {
            Some(person) => person,
            None => {
                self.note_refused_act(actor, "ask_viewing", &Refusal::NotAllowed).await;
                return Err(Refusal::NotAllowed.into());
            }
        };
        ask.check()?;
        let mut wanted = Vec::new();
        for session in self.wanted_sessions(&ask).await? {
            // Those of a plan that need nobody are opened without it.
            if self.needs_agreement(&session).await? {
                wanted.push(session);
            }
        }
        if wanted.is_empty() {
            return Err(Refusal::bad_field("session").into());
        }
        if wanted.len() > limits::VIEWING_SESSIONS {
            return Err(Refusal::too_many("VIEWING_SESSIONS").into());
        }
        let mut publics: Option<BTreeSet<String>> = None;
        for session in &wanted {
            let (header, _) = self.header_of_session(session).await?;
            let these: BTreeSet<String> = header.recipients.into_iter().filter(|one| one.kind == RecipientKind::Second).map(|one| one.key).collect();
            publics = Some(publics.map_or(these.clone(), |before| before.intersection(&these).cloned().collect()));
        }
        let mut tx = self.write(actor).await?;
        let now = self.steady_now().max(tx.now());
        let publics = publics.unwrap_or_default();
        let since = now.minus(Duration::from_secs(24 * 3600));
        let (keys, open, today) = self.book(|book| {
            let keys: Vec<SecondKeyId> = publics.iter().filter_map(|public| book.holding(public)).map(|key| key.id.clone()).collect();
            let mine = || book.requests().filter(|one| one.by == person);
            (keys, mine().filter(|one| one.waits(now) || one.is_open(now)).count(), mine().filter(|one| one.asked_at > since).count())
        });
        if keys.is_empty() {
            return Err(Refusal::NoCommonSecondKey.into());
        }
        if open >= limits::VIEWING_REQUESTS {
            return Err(Refusal::too_many("VIEWING_REQUESTS").into());
        }
        // Each stays in memory and in the log for good, and writes to every holder: what was taken back counts too.
        if today >= limits::VIEWING_REQUESTS_A_DAY {
            return Err(Refusal::too_many("VIEWING_REQUESTS_A_DAY").into());
        }
        let id: ViewingRequestId = random_id()?;
        self.tell_holders(&mut tx, actor, &id, &keys, wanted.len(), &ask).await?;
        tx.fact(Fact::ViewingAsked { viewing: id.clone(), sessions: wanted, keys, hours: ask.hours, reason: ask.reason.trim().to_owned() });
        tx.commit().await?;
        Ok(self.request_for(actor, &id)?.0)
    }

    /// The sessions that somebody asks for: the one, or those of its plan that have ended and were not deleted.
    async fn wanted_sessions(&self, ask: &ViewingAsk) -> Done<Vec<SessionId>> {
        let kept = |session: &SessionId| self.board(|board| board.erased(session).is_none());
        if !kept(&ask.session) {
            return Err(Refusal::RecordingDeleted.into());
        }
        if !ask.whole_plan {
            return Ok(vec![ask.session.clone()]);
        }
        let told = self.session_told(&ask.session).await?.ok_or(Refusal::NotFound)?;
        let mut sessions = vec![ask.session.clone()];
        for session in told.plan.map(|plan| plan.sessions).unwrap_or_default() {
            if session != ask.session && kept(&session) && self.inner.shelf.writer(&session).is_none() {
                sessions.push(session);
            }
        }
        Ok(sessions)
    }

    async fn header_of_session(&self, session: &SessionId) -> Done<(Header, Digest)> {
        let path = self.at_hand(session).await?;
        let found = blocking(move || header_of(&path)).await?;
        let found = found.filter(|(header, _)| header.session == session.as_str());
        let found = found.ok_or_else(|| Fault::Damaged(format!("the header of the recording of session {session} cannot be read")))?;
        // A holder is asked for the share of this recording, and not for one that somebody put into its place.
        if !self.is_header_told(session, &found.1).await? {
            return Err(Fault::Damaged(format!("the header of the recording of session {session} is not the one that the log tells of")).into());
        }
        Ok(found)
    }

    /// The text of a request, signed by the log's key, for a holder to take to their own machine.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for whoever neither asked nor holds a second key; [`Refusal::ViewingStep`] if nobody can agree to it.
    pub async fn viewing_text(&self, actor: &Actor, id: &ViewingRequestId) -> Done<String> {
        self.require(actor, Action::ReadViewing, None, "viewing_text").await?;
        let (request, held) = self.request_for(actor, id)?;
        if !held && !actor.is_person(&request.by) {
            return Err(Refusal::NotFound.into());
        }
        request.agreed_until(self.steady_now())?;
        let mut recordings = Vec::new();
        for session in &request.sessions {
            let (header, digest) = self.header_of_session(session).await?;
            let second = header.second.ok_or_else(|| Fault::Damaged(format!("the recording of session {session} has no second share")))?;
            recordings.push(Wanted { session: session.as_str().to_owned(), header: digest, wrapped_share: second.wrapped_share });
        }
        let text = RequestText {
            origin: self.inner.settings.origin.clone(),
            id: request.id.as_str().to_owned(),
            asked_at: request.asked_at.rfc3339_utc(),
            hours: request.hours,
            by: sekisho_core::letter::one_line(&request.by_name),
            reason: sekisho_core::letter::one_line(&request.reason),
            to: self.inner.keys.recordings_public(),
            recordings,
        };
        Ok(text.signed(&self.inner.keys.log()).map_err(|breach| Fault::Crypto(breach.to_string()))?)
    }

    /// Agrees to a request with the text that the holder made on their own machine. From here on who asked opens the recordings,
    /// until the time is over.
    ///
    /// # Errors
    /// [`Refusal::SameHand`] for who asked; [`Refusal::NotSecondHolder`]; [`Refusal::ViewingStep`]; [`Refusal::AgreementWrong`] for a
    /// text that does not open these recordings, or that was given to another request. Nothing is changed then.
    pub async fn agree_viewing(&self, actor: &Actor, id: &ViewingRequestId, text: &str) -> Done<ViewingRequest> {
        let (request, key) = self.holder_of(actor, id, "agree_viewing").await?;
        let holder = actor.person.clone().ok_or(Refusal::NotAllowed)?;
        request.agreed_until(self.steady_now())?;
        let (shares, agreement) = self.shares_of(&request, text).await?;
        let mut tx = self.write(actor).await?;
        let now = self.steady_now().max(tx.now());
        // With nobody else writing, it is looked at once more: it may have been taken back meanwhile.
        let request = self.request_for(actor, id)?.0;
        let until = request.agreed_until(now)?;
        if self.inner.shares.has(id, now) {
            return Err(Refusal::ViewingStep.into());
        }
        if self.book(|book| book.agreed_elsewhere(&agreement, id)) {
            return Err(Refusal::AgreementWrong.into());
        }
        self.tell_requester(&mut tx, actor, &request, ViewingStage::Agreed, "").await?;
        tx.fact(Fact::ViewingAgreed { viewing: id.clone(), until, second_key: key, agreement });
        tx.commit().await?;
        // The log's word for it, which can be a moment less.
        let until = self.request_for(actor, id)?.0.until.map_or(until, |told| told.min(until));
        let span = now.until(until).min(Duration::from_secs(u64::from(request.hours) * 3600));
        self.inner.shares.keep(id.clone(), Handed { by: request.by, holder, until, span, shares });
        let request = self.request_for(actor, id)?.0;
        if request.state != ViewingState::Agreed {
            // It was ended between the two lines above.
            self.inner.shares.forget(id);
        }
        Ok(request)
    }

    /// The request, for somebody who holds a second key of its recordings and did not ask for it.
    async fn holder_of(&self, actor: &Actor, id: &ViewingRequestId, what: &str) -> Done<(ViewingRequest, SecondKeyId)> {
        self.require(actor, Action::AgreeViewing, None, what).await?;
        let request = self.request_for(actor, id)?.0;
        let held = self.book(|book| actor.person.as_ref().and_then(|person| book.held_by(&request, person)).map(|key| key.id.clone()));
        let refusal = match held {
            _ if actor.is_person(&request.by) => Refusal::SameHand,
            None => Refusal::NotSecondHolder,
            Some(key) => return Ok((request, key)),
        };
        self.note_refused_act(actor, &format!("{what} {id}"), &refusal).await;
        Err(refusal.into())
    }

    /// The shares in the text of an agreement, each compared with what the header of its recording says, and the digest of the text.
    async fn shares_of(&self, request: &ViewingRequest, text: &str) -> Done<(BTreeMap<SessionId, Share>, String)> {
        let wrong = || Refusal::AgreementWrong;
        if text.len() > limits::VIEWING_AGREEMENT_BYTES {
            return Err(wrong().into());
        }
        let most = request.sessions.len() * 32;
        let (plain, agreement) = self.inner.keys.open_for_recordings(text.trim().as_bytes(), most).ok_or_else(wrong)?;
        if plain.len() != most {
            return Err(wrong().into());
        }
        let mut shares = BTreeMap::new();
        for (session, part) in request.sessions.iter().zip(plain.chunks_exact(32)) {
            let mut share: Share = Zeroizing::new([0_u8; 32]);
            share.copy_from_slice(part);
            let (header, _) = self.header_of_session(session).await?;
            if header.second.is_none_or(|second| SecondShare::digest_of(&share) != second.share_digest) {
                return Err(wrong().into());
            }
            shares.insert(session.clone(), share);
        }
        Ok((shares, agreement.to_string()))
    }

    /// Declines a request.
    ///
    /// # Errors
    /// As [`Store::agree_viewing`]; [`Refusal::BadField`] without a reason.
    pub async fn decline_viewing(&self, actor: &Actor, id: &ViewingRequestId, reason: &str) -> Done<ViewingRequest> {
        self.holder_of(actor, id, "decline_viewing").await?;
        let reason = reason.trim();
        check_reason(reason)?;
        self.change_viewing(actor, id, ViewingState::Asked, Fact::ViewingDeclined { viewing: id.clone(), reason: reason.to_owned() }).await
    }

    /// Takes one's own request back.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for somebody else's; [`Refusal::ViewingStep`] once somebody decided on it.
    pub async fn withdraw_viewing(&self, actor: &Actor, id: &ViewingRequestId) -> Done<ViewingRequest> {
        self.require(actor, Action::ReadViewing, None, "withdraw_viewing").await?;
        if !actor.is_person(&self.request_for(actor, id)?.0.by) {
            return Err(Refusal::NotFound.into());
        }
        self.change_viewing(actor, id, ViewingState::Asked, Fact::ViewingWithdrawn { viewing: id.clone() }).await
    }

    /// Ends an agreement before its time, by who asked, a holder, the planner or the safety manager. What is being opened at this
    /// moment goes on to its end.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for anybody else; [`Refusal::ViewingStep`] for one that does not hold.
    pub async fn end_viewing(&self, actor: &Actor, id: &ViewingRequestId) -> Done<ViewingRequest> {
        self.require(actor, Action::ReadViewing, None, "end_viewing").await?;
        let (request, held) = self.request_for(actor, id)?;
        if !may_end(actor, &request, held) {
            return Err(Refusal::NotFound.into());
        }
        let ended = self.change_viewing(actor, id, ViewingState::Agreed, Fact::ViewingEnded { viewing: id.clone() }).await?;
        self.inner.shares.forget(id);
        Ok(ended)
    }

    async fn change_viewing(&self, actor: &Actor, id: &ViewingRequestId, from: ViewingState, fact: Fact) -> Done<ViewingRequest> {
        let mut tx = self.write(actor).await?;
        let request = self.request_for(actor, id)?.0;
        if request.state != from {
            return Err(Refusal::ViewingStep.into());
        }
        if let Fact::ViewingDeclined { reason, .. } = &fact {
            self.tell_requester(&mut tx, actor, &request, ViewingStage::Declined, reason).await?;
        }
        tx.fact(fact);
        tx.commit().await?;
        Ok(self.request_for(actor, id)?.0)
    }
}
