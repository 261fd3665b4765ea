use jiff::Timestamp;
use uuid::Uuid;

/// Who a valid access token speaks for: the claims that enforcement looks at, frozen at issue.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `appid`: client id of the application.
    pub app_id: Uuid,
    /// `oid`: object id of the service principal (enterprise application), or of the person.
    pub object_id: Uuid,
    /// `tid`: the tenant that issued the token.
    pub tenant_id: Uuid,
    /// `aud`: the resource the token is for.
    pub audience: String,
    /// `roles`: application permissions at the time of issue; empty when the claim is absent.
    /// For a person's token: what `scp` amounts to, given the person's directory roles.
    pub roles: Vec<String>,
    /// Directory roles of the person (`wids`), when it is a person's token; none for an app's own.
    pub user_roles: Option<Vec<String>>,
    /// `iat`: when the token was issued.
    pub issued_at: Timestamp,
    /// `xms_cc` holds `cp1`: the client answers claims challenges.
    pub answers_challenges: bool,
}

impl Caller {
    /// True when the token carries this application permission.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r == role)
    }
}
