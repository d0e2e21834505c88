//! One provider of OpenID Connect: the code flow with PKCE, state and nonce, and an ID token that is believed only after
//! everything about it was looked at.

use crate::http::Http;
use crate::settings::ProviderSettings;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata, RedirectUrl, Scope,
    SignatureVerificationError, TokenResponse,
};
use sekisho_core::directory::{Away, Claims, SignInAsk, SignedIn};
use sekisho_core::limits;
use sekisho_core::secret::Secret;
use sekisho_core::time::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// What a provider says of itself is asked for anew after this time.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// A key that is not known leads to one new look, not more often than this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How far the clocks of box and provider may differ.
const SKEW: TimeDelta = TimeDelta::seconds(60);
/// Whoever signed in at the provider longer ago than this before the button was pressed signs in there anew: a browser that
/// somebody left open is not its owner.
const SIGNED_IN_WITHIN: Duration = Duration::from_secs(300);
/// An ID token that was issued longer ago answers another question than ours.
const ISSUED_WITHIN: TimeDelta = TimeDelta::seconds(limits::SIGN_IN_SECONDS as i64);

/// Signatures that are believed. Nothing unsigned, and nothing whose key both sides know.
fn algorithms() -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as Alg;
    vec![Alg::RsaSsaPkcs1V15Sha256, Alg::RsaSsaPkcs1V15Sha384, Alg::RsaSsaPkcs1V15Sha512, Alg::RsaSsaPssSha256, Alg::RsaSsaPssSha384, Alg::RsaSsaPssSha512, Alg::EcdsaP256Sha256, Alg::EcdsaP384Sha384, Alg::EdDsa]
}

/// What a provider says of itself beside what the library knows.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Beside {
    /// It names itself in each answer (RFC 9207 section 3), so an answer without its name is not its own.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Beside {}

type Metadata = ProviderMetadata<
    Beside,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// One provider.
pub(crate) struct Provider {
    settings: ProviderSettings,
    secret: Secret,
    http: Http,
    clock: Arc<dyn Clock>,
    known: Mutex<Option<(Timestamp, Metadata)>>,
}

/// Why an ID token was not taken.
enum Bad {
    /// Its key is not among those that are known.
    UnknownKey,
    /// For another reason.
    Token(&'static str),
}

impl Provider {
    pub fn new(settings: ProviderSettings, secret: Secret, tls: TlsConnector, clock: Arc<dyn Clock>) -> Self {
        Self { settings, secret, http: Http { tls }, clock, known: Mutex::new(None) }
    }

    /// What the provider says of itself (OpenID Connect Discovery), with its keys. That it names itself as it is configured
    /// is checked by the library.
    async fn metadata(&self, for_at_most: Duration) -> Result<Metadata, Away> {
        let now = self.clock.now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((since, metadata)) = known
            && now < since.plus(for_at_most)
        {
            return Ok(metadata);
        }
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(|fault| Away::Down(fault.to_string()))?;
        let found = Metadata::discover_async(issuer, &self.http).await.map_err(|fault| Away::Down(chain(&fault)))?;
        let addresses = [Some(found.authorization_endpoint().as_str()), found.token_endpoint().map(|address| address.as_str())];
        if !addresses.into_iter().all(|address| address.is_some_and(|address| address.starts_with("https://"))) {
            return Err(Away::Down("the provider names an address without TLS, or none".into()));
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, found.clone()));
        Ok(found)
    }

    pub async fn begin(&self, ask: &SignInAsk) -> Result<String, Away> {
        let metadata = self.metadata(KNOWN_FOR).await?;
        let redirect = redirect(ask)?;
        let client = CoreClient::from_provider_metadata(metadata, self.client_id(), Some(self.client_secret())).set_redirect_uri(redirect);
        let (state, nonce) = (CsrfToken::new(ask.state.expose().to_owned()), Nonce::new(ask.nonce.expose().to_owned()));
        let mut request = client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, move || nonce).set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier(ask)?)).set_max_age(SIGNED_IN_WITHIN);
        for scope in self.settings.scopes.iter().filter(|scope| *scope != "openid") {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        if !self.settings.several_factors_acr.is_empty() {
            request = request.add_extra_param("acr_values", self.settings.several_factors_acr.join(" "));
        }
        let (address, _, _) = request.url();
        Ok(address.to_string())
    }

    pub async fn redeem(&self, ask: &SignInAsk, code: Secret, issuer: Option<&str>) -> Result<SignedIn, Away> {
        // Another provider's answer in the place of this one's (RFC 9207).
        if issuer.is_some_and(|issuer| issuer != self.settings.issuer) {
            return Err(Away::No("issuer"));
        }
        let metadata = self.metadata(KNOWN_FOR).await?;
        if issuer.is_none() && metadata.additional_metadata().authorization_response_iss_parameter_supported {
            return Err(Away::No("no_issuer"));
        }
        let client = CoreClient::from_provider_metadata(metadata.clone(), self.client_id(), Some(self.client_secret())).set_redirect_uri(redirect(ask)?);
        let request = client.exchange_code(AuthorizationCode::new(code.expose().to_owned())).map_err(|_| Away::Down("the provider names no token endpoint".into()))?;
        let answer = match request.set_pkce_verifier(verifier(ask)?).request_async(&self.http).await {
            Ok(answer) => answer,
            // It answered, and says no: the code was used, is too old, or is another client's.
            Err(openidconnect::RequestTokenError::ServerResponse(_)) => return Err(Away::No("code")),
            Err(fault) => return Err(Away::Down(chain(&fault))),
        };
        let token = answer.id_token().ok_or(Away::No("no_id_token"))?.to_string();
        match self.believed(&token, ask, metadata) {
            Ok(signed_in) => Ok(signed_in),
            // The provider may have exchanged its keys since it was asked.
            Err(Bad::UnknownKey) => self.believed(&token, ask, self.metadata(LOOK_AGAIN).await?).map_err(|bad| bad.away()),
            Err(bad) => Err(bad.away()),
        }
    }

    /// Looks at an ID token (OpenID Connect Core section 3.1.3.7).
    fn believed(&self, text: &str, ask: &SignInAsk, metadata: Metadata) -> Result<SignedIn, Bad> {
        let token: openidconnect::core::CoreIdToken = text.parse().map_err(|_| Bad::Token("malformed"))?;
        let client = CoreClient::from_provider_metadata(metadata, self.client_id(), Some(self.client_secret()));
        let time = |at: Timestamp| DateTime::<Utc>::from_timestamp_millis(at.0).ok_or(Bad::Token("time"));
        let (now, begun) = (time(self.clock.now())?, time(ask.begun_at)?);
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(algorithms())
            .set_other_audience_verifier_fn(|_| false)
            .set_time_fn(move || now)
            .set_issue_time_verifier_fn(move |issued| if issued <= now + SKEW && issued >= now - ISSUED_WITHIN { Ok(()) } else { Err("issued at another time".into()) });
        let claims = token.claims(&verifier, &Nonce::new(ask.nonce.expose().to_owned())).map_err(|error| cause(&error))?;
        if claims.authorized_party().is_some_and(|party| party.as_str() != self.settings.client_id) {
            return Err(Bad::Token("authorised_party"));
        }
        // It was asked for a young sign-in, so it must say how old this one is (OpenID Connect Core section 3.1.2.1).
        if !claims.auth_time().is_some_and(|at| at <= now + SKEW && at + SIGNED_IN_WITHIN + SKEW >= begun) {
            return Err(Bad::Token("auth_time"));
        }
        let subject = claims.subject().as_str();
        if subject.is_empty() || subject.len() > limits::DIRECTORY_VALUE_BYTES || subject.chars().any(char::is_control) {
            return Err(Bad::Token("subject"));
        }
        let says = |asked: &[String], said: &str| asked.iter().any(|value| value == said);
        let by_amr = claims.auth_method_refs().is_some_and(|refs| refs.iter().any(|value| says(&self.settings.several_factors_amr, value.as_str())));
        let by_acr = claims.auth_context_ref().is_some_and(|value| says(&self.settings.several_factors_acr, value.as_str()));
        let known_as = match self.settings.claim() {
            "sub" => Some(subject.to_owned()),
            name => claim(text, name),
        };
        Ok(SignedIn::assertion(Claims { subject: subject.to_owned(), known_as, several_factors: by_amr || by_acr }))
    }

    pub async fn check(&self) -> Result<String, Away> {
        let metadata = self.metadata(Duration::ZERO).await?;
        let keys = metadata.jwks().keys().len();
        if keys == 0 {
            return Err(Away::Down("the provider shows no key by which its answers could be checked".into()));
        }
        Ok(format!("answers with a certificate that holds, names itself as configured, and shows {keys} keys"))
    }

    fn client_id(&self) -> ClientId {
        ClientId::new(self.settings.client_id.clone())
    }

    fn client_secret(&self) -> ClientSecret {
        ClientSecret::new(self.secret.expose().to_owned())
    }
}

impl Bad {
    fn away(self) -> Away {
        match self {
            Self::UnknownKey => Away::No("unknown_key"),
            Self::Token(why) => Away::No(why),
        }
    }
}

fn cause(error: &ClaimsVerificationError) -> Bad {
    Bad::Token(match error {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => return Bad::UnknownKey,
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::DisallowedAlg(_) | SignatureVerificationError::NoSignature) => "algorithm",
        ClaimsVerificationError::SignatureVerification(_) => "signature",
        ClaimsVerificationError::Expired(_) => "expired",
        ClaimsVerificationError::InvalidAudience(_) => "audience",
        ClaimsVerificationError::InvalidIssuer(_) => "issuer",
        ClaimsVerificationError::InvalidNonce(_) => "nonce",
        _ => "malformed",
    })
}

/// A claim of a token that was verified: text or a whole number.
fn claim(token: &str, name: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let value = match claims.get(name)? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.as_u64()?.to_string(),
        _ => return None,
    };
    sekisho_core::directory::check_known_as(&value).ok().map(str::to_owned)
}

fn redirect(ask: &SignInAsk) -> Result<RedirectUrl, Away> {
    RedirectUrl::new(ask.redirect.clone()).map_err(|fault| Away::Down(fault.to_string()))
}

/// The library insists on the length of RFC 7636 by a panic, so it is looked at first.
fn verifier(ask: &SignInAsk) -> Result<PkceCodeVerifier, Away> {
    let sound = (43..=128).contains(&ask.verifier.expose().len());
    sound.then(|| PkceCodeVerifier::new(ask.verifier.expose().to_owned())).ok_or(Away::Down("no verifier was drawn".into()))
}

/// An error with its causes, bounded: a provider's words may stand in it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text.chars().filter(|letter| !letter.is_control()).take(300).collect()
}
