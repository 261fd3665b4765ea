//! Which credentials end soon, before an outage says so.

use jiff::{SignedDuration, Timestamp};
use m365_core::{ApplicationObjectId, ClientId, KeyId, Pipeline, Result};
use serde::Serialize;

use crate::directory::{Application, KeyCredential, ListAllApplications, PasswordCredential};
use crate::{AppRegistration, PublicCertificate};

/// Most registrations of one tenant that a sweep reads.
const MOST_APPLICATIONS: usize = 100_000;

/// How near the end of a credential is. Ordered by urgency, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpiryStage {
    /// It has ended.
    Expired,
    /// At most a day is left.
    OneDay,
    /// At most 7 days are left.
    SevenDays,
    /// At most 14 days are left.
    FourteenDays,
    /// At most 30 days are left.
    ThirtyDays,
}

impl ExpiryStage {
    /// The stage of a credential that ends at `end`; none while more than 30 days are left.
    ///
    /// ```
    /// use graph_auth::ExpiryStage;
    /// let now: jiff::Timestamp = "2026-11-21T08:00:00Z".parse()?;
    /// assert_eq!(ExpiryStage::at("2026-11-28T08:00:00Z".parse()?, now), Some(ExpiryStage::SevenDays));
    /// assert_eq!(ExpiryStage::at("2027-11-21T08:00:00Z".parse()?, now), None);
    /// # Ok::<(), jiff::Error>(())
    /// ```
    pub fn at(end: Timestamp, now: Timestamp) -> Option<Self> {
        let left = end.duration_since(now);
        [Self::Expired, Self::OneDay, Self::SevenDays, Self::FourteenDays, Self::ThirtyDays]
            .into_iter()
            .find(|stage| left <= SignedDuration::from_hours(stage.days() * 24))
    }

    /// Its days; 0 for what has ended.
    pub const fn days(self) -> i64 {
        match self {
            Self::Expired => 0,
            Self::OneDay => 1,
            Self::SevenDays => 7,
            Self::FourteenDays => 14,
            Self::ThirtyDays => 30,
        }
    }
}

/// What kind of credential ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ExpiringKind {
    /// A secret of a registration.
    Secret,
    /// A certificate of a registration.
    Certificate,
    /// A certificate on this machine, whatever the directory has.
    LocalCertificate,
}

/// A credential that ends within 30 days, or has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExpiryEvent {
    /// The registration; none for a certificate on this machine.
    pub application: Option<ApplicationObjectId>,
    /// Its client id.
    pub client_id: Option<ClientId>,
    /// Its displayed name; empty for a certificate on this machine.
    pub application_name: String,
    /// What kind of credential it is.
    pub kind: ExpiringKind,
    /// Its id in the registration.
    pub key_id: Option<KeyId>,
    /// Its displayed name, or a certificate's subject on this machine.
    pub name: String,
    /// Mark of a certificate, mostly its SHA-1 thumbprint.
    pub thumbprint: Option<String>,
    /// When it ends.
    pub end: Timestamp,
    /// Whole days left, rounded down; negative for what ended more than a day ago.
    pub days_left: i64,
    /// How urgent it is.
    pub stage: ExpiryStage,
    /// Whether it is ours.
    pub ours: bool,
}

/// Which credentials are ours.
///
/// ```
/// use graph_auth::{AppRegistration, Ours};
/// let registration = AppRegistration::new("acme-connector", "Acme connector")?;
/// let ours = Ours::of(&registration).with_thumbprint("52ED9B5038A47B9E2E2190715CC238359D4F8F73");
/// # drop(ours);
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ours {
    keys: Vec<KeyId>,
    secret_names: Vec<String>,
    thumbprints: Vec<String>,
    certificates: Vec<PublicCertificate>,
}

impl Ours {
    /// What a registration names: the secret held and those of its policy's name, rotated ones included, and its certificates.
    pub fn of(registration: &AppRegistration) -> Self {
        Self {
            keys: registration.held_secret.into_iter().collect(),
            secret_names: registration.secret.iter().map(|policy| policy.display_name.clone()).collect(),
            thumbprints: Vec::new(),
            certificates: registration.certificates.iter().map(|new| new.certificate.clone()).collect(),
        }
    }

    /// And the credential of this id.
    #[must_use]
    pub fn with_key_id(mut self, key_id: KeyId) -> Self {
        self.keys.push(key_id);
        self
    }

    /// And the certificate of this SHA-1 thumbprint, in hexadecimal digits.
    #[must_use]
    pub fn with_thumbprint(mut self, thumbprint: impl Into<String>) -> Self {
        self.thumbprints.push(thumbprint.into());
        self
    }

    fn has_secret(&self, secret: &PasswordCredential) -> bool {
        // A rotation puts its mark behind the policy's name.
        let is_named = |shown: &str, own: &str| {
            shown.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(" #"))
        };
        self.keys.contains(&secret.key_id)
            || secret
                .display_name
                .as_ref()
                .is_some_and(|shown| self.secret_names.iter().any(|own| is_named(shown, own)))
    }

    fn has_key(&self, key: &KeyCredential) -> bool {
        self.keys.contains(&key.key_id)
            || self.thumbprints.iter().any(|thumbprint| key.has_thumbprint(thumbprint))
            || self.certificates.iter().any(|certificate| key.is(certificate))
    }
}

/// The credentials of an application that end within 30 days or have ended, the most urgent first. Pure. A credential
/// without an end is left out.
pub fn expiring(application: &Application, ours: &Ours, now: Timestamp) -> Vec<ExpiryEvent> {
    let event = |kind, key_id, name: Option<&String>, thumbprint, end: Option<Timestamp>, ours| {
        let end = end?;
        Some(ExpiryEvent {
            application: Some(application.id),
            client_id: Some(application.client_id),
            application_name: application.display_name.clone(),
            kind,
            key_id: Some(key_id),
            name: name.cloned().unwrap_or_default(),
            thumbprint,
            end,
            days_left: days(end, now),
            stage: ExpiryStage::at(end, now)?,
            ours,
        })
    };
    let secrets = application.password_credentials.iter().filter_map(|s| {
        event(
            ExpiringKind::Secret,
            s.key_id,
            s.display_name.as_ref(),
            None,
            s.end_date_time,
            ours.has_secret(s),
        )
    });
    let keys = application.key_credentials.iter().filter_map(|k| {
        let (name, mark) = (k.display_name.as_ref(), k.custom_key_identifier.clone());
        event(ExpiringKind::Certificate, k.key_id, name, mark, k.end_date_time, ours.has_key(k))
    });
    let mut events: Vec<ExpiryEvent> = secrets.chain(keys).collect();
    events.sort_by_key(|event| event.end);
    events
}

/// The same for a certificate on this machine: the directory may know another end, and the earlier one counts.
pub fn expiring_certificate(certificate: &PublicCertificate, now: Timestamp) -> Option<ExpiryEvent> {
    let end = certificate.not_after();
    Some(ExpiryEvent {
        application: None,
        client_id: None,
        application_name: String::new(),
        kind: ExpiringKind::LocalCertificate,
        key_id: None,
        name: certificate.subject().to_owned(),
        thumbprint: Some(certificate.thumbprint().to_owned()),
        end,
        days_left: days(end, now),
        stage: ExpiryStage::at(end, now)?,
        ours: true,
    })
}

/// Reads every registration of the tenant and reports what [`expiring`] does for each, the most urgent first. Needs
/// `Application.Read.All`.
///
/// # Errors
/// What Graph says; [`ErrorKind::Truncated`](crate::ErrorKind::Truncated) when the tenant has more than 100,000
/// registrations: no part of the report is given then.
pub async fn sweep_expiring(pipeline: &Pipeline, ours: &Ours) -> Result<Vec<ExpiryEvent>> {
    let applications = pipeline.list(&ListAllApplications, MOST_APPLICATIONS).await?;
    let now = pipeline.clock().now();
    let mut events: Vec<ExpiryEvent> =
        applications.iter().flat_map(|application| expiring(application, ours, now)).collect();
    events.sort_by_key(|event| event.end);
    Ok(events)
}

fn days(end: Timestamp, now: Timestamp) -> i64 {
    end.duration_since(now).as_secs().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-11-21T08:00:00Z";

    fn stage(end: &str) -> Option<ExpiryStage> {
        ExpiryStage::at(end.parse().unwrap(), NOW.parse().unwrap())
    }

    #[test]
    fn stages_begin_at_their_very_second() {
        use ExpiryStage::{Expired, FourteenDays, OneDay, SevenDays, ThirtyDays};
        for (end, expected) in [
            ("2026-12-21T08:00:01Z", None),
            ("2026-12-21T08:00:00Z", Some(ThirtyDays)),
            ("2026-12-05T08:00:01Z", Some(ThirtyDays)),
            ("2026-12-05T08:00:00Z", Some(FourteenDays)),
            ("2026-11-28T08:00:00Z", Some(SevenDays)),
            ("2026-11-22T08:00:00Z", Some(OneDay)),
            ("2026-11-21T08:00:01Z", Some(OneDay)),
            (NOW, Some(Expired)),
            ("2020-01-01T00:00:00Z", Some(Expired)),
        ] {
            assert_eq!(stage(end), expected, "{end}");
        }
    }

    #[test]
    fn the_report_names_each_credential_and_whose_it_is() {
        let id = |n: u8| format!("d0000000-0000-4000-8000-0000000000{n:02}");
        let application: Application = serde_json::from_value(json!({
            "id": "a0000000-0000-4000-8000-000000000001", "appId": "c0000000-0000-4000-8000-000000000002",
            "displayName": "Acme",
            "passwordCredentials": [
                {"keyId": id(1), "displayName": "acme", "endDateTime": "2026-11-25T08:00:00Z"},
                {"keyId": id(2), "displayName": "theirs", "endDateTime": "2026-11-20T07:00:00Z"},
                {"keyId": id(3), "displayName": "acme", "endDateTime": "2028-01-01T00:00:00Z"},
                {"keyId": id(4), "displayName": "endless"},
                {"keyId": id(6), "displayName": "acme #0123456789ab", "endDateTime": "2026-11-26T08:00:00Z"},
                {"keyId": id(7), "displayName": "acme two", "endDateTime": "2026-11-27T08:00:00Z"},
            ],
            "keyCredentials": [
                {"keyId": id(5), "displayName": "CN=acme", "customKeyIdentifier": "q6urq6urq6urq6urq6urq6urq6s=",
                 "endDateTime": "2026-12-20T00:00:00Z"},
            ],
        }))
        .unwrap();
        let policy = crate::SecretPolicy::new("acme", std::time::Duration::from_secs(86_400)).unwrap();
        let registration = AppRegistration::new("acme", "Acme")
            .unwrap()
            .with_secret(policy)
            .with_certificate("acme", PublicCertificate::sample())
            .unwrap();
        let events = expiring(&application, &Ours::of(&registration), NOW.parse().unwrap());
        let shown: Vec<_> = events
            .iter()
            .map(|e| (e.key_id.unwrap().to_string(), e.kind, e.stage, e.days_left, e.ours))
            .collect();
        assert_eq!(
            shown,
            [
                (id(2), ExpiringKind::Secret, ExpiryStage::Expired, -2, false),
                (id(1), ExpiringKind::Secret, ExpiryStage::SevenDays, 4, true),
                (id(6), ExpiringKind::Secret, ExpiryStage::SevenDays, 5, true),
                (id(7), ExpiringKind::Secret, ExpiryStage::SevenDays, 6, false),
                (id(5), ExpiringKind::Certificate, ExpiryStage::ThirtyDays, 28, true),
            ]
        );
        let local = expiring_certificate(&PublicCertificate::sample(), NOW.parse().unwrap());
        assert_eq!(local, None);
    }
}
