//! NTLM as a server: the handshake through `sspi`, bound to one connection, and the channel binding.
//! <https://learn.microsoft.com/openspecs/windows_protocols/ms-nlmp/>

use sspi::{
    AuthIdentity, BufferType, CredentialUse, DataRepresentation, Ntlm, SecurityBuffer, SecurityStatus,
    ServerRequestFlags, Sspi, SspiImpl, Username,
};

const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// Where the fields of an AUTHENTICATE message stand.
const NT_RESPONSE: usize = 20;
const DOMAIN: usize = 28;
const USER: usize = 36;
/// Bytes of an NTLMv2 response before its pairs.
const BEFORE_PAIRS: usize = 16 + 28;
const CHANNEL_BINDINGS: u16 = 10;

/// Number of the message; none when it is no NTLM.
pub(super) fn kind(token: &[u8]) -> Option<u8> {
    token.starts_with(SIGNATURE).then(|| token.get(8).copied()).flatten()
}

/// Who wants in, as the client's last message says, and whether it carries a channel binding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) domain: String,
    pub(super) user: String,
    pub(super) bound: bool,
}

impl Claim {
    /// `DOMAIN\user`, or the user alone when that is an address or no domain was named.
    pub(super) fn login(&self) -> String {
        if self.domain.is_empty() || self.user.contains('@') {
            self.user.clone()
        } else {
            format!(r"{}\{}", self.domain, self.user)
        }
    }

    /// Reads an AUTHENTICATE message.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let text = |at| utf16(field(message, at)?);
        Some(Self { domain: text(DOMAIN)?, user: text(USER)?, bound: is_bound(field(message, NT_RESPONSE)?) })
    }
}

fn field(message: &[u8], at: usize) -> Option<&[u8]> {
    let length = u16::from_le_bytes(message.get(at..at + 2)?.try_into().ok()?);
    let offset = u32::from_le_bytes(message.get(at + 4..at + 8)?.try_into().ok()?);
    let offset = usize::try_from(offset).ok()?;
    message.get(offset..offset.checked_add(usize::from(length))?)
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> =
        bytes.chunks_exact(2).filter_map(|c| c.try_into().ok().map(u16::from_le_bytes)).collect();
    String::from_utf16(&units).ok()
}

/// True when the response's pairs name a channel binding that is not all zeros.
fn is_bound(response: &[u8]) -> bool {
    let mut rest = response.get(BEFORE_PAIRS..).unwrap_or_default();
    while let [a, b, c, d, tail @ ..] = rest {
        let (id, length) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        let Some(value) = tail.get(..length) else { return false };
        match id {
            0 => return false,
            CHANNEL_BINDINGS => return value.iter().any(|byte| *byte != 0),
            _ => rest = tail.get(length..).unwrap_or_default(),
        }
    }
    false
}

/// Old clients offer the OEM character set alone, but read a challenge in Unicode all the same; `sspi` wants to be offered
/// that.
fn in_unicode(negotiate: &[u8]) -> Vec<u8> {
    const UNICODE: u8 = 1;
    const OEM: u8 = 2;
    let mut message = negotiate.to_vec();
    if let Some(flags) = message.get_mut(12)
        && *flags & UNICODE == 0
    {
        *flags = (*flags | UNICODE) & !OEM;
    }
    message
}

/// A handshake in the middle: the challenge is out.
pub(super) struct Handshake(Box<Ntlm>);

impl Handshake {
    /// Takes the first message; answers with the challenge.
    pub(super) fn begin(negotiate: &[u8]) -> Option<(Self, Vec<u8>)> {
        let mut ntlm = Box::new(Ntlm::new());
        let (status, challenge) = step(&mut ntlm, &mut None, &in_unicode(negotiate))?;
        (status == SecurityStatus::ContinueNeeded).then_some((Self(ntlm), challenge))
    }

    /// Takes the last message: true when it proves the password, and its channel binding, if it has one, is this.
    pub(super) fn finish(
        mut self,
        authenticate: &[u8],
        claim: &Claim,
        password: &str,
        binding: Option<&[u8]>,
    ) -> bool {
        if let Some(binding) = binding {
            self.0.set_channel_bindings(binding);
        }
        let domain = (!claim.domain.is_empty()).then_some(claim.domain.as_str());
        let Ok(username) = Username::new(&claim.user, domain).or_else(|_| Username::parse(&claim.user))
        else {
            return false;
        };
        let identity = AuthIdentity { username, password: password.to_owned().into() };
        let Ok(mut credentials) = self
            .0
            .acquire_credentials_handle()
            .with_credential_use(CredentialUse::Inbound)
            .with_auth_data(&identity)
            .execute(&mut *self.0)
        else {
            return false;
        };
        step(&mut self.0, &mut credentials.credentials_handle, authenticate).is_some()
            && self.0.complete_auth_token(&mut []).is_ok()
    }
}

fn step(
    ntlm: &mut Ntlm,
    credentials: &mut <Ntlm as SspiImpl>::CredentialsHandle,
    token: &[u8],
) -> Option<(SecurityStatus, Vec<u8>)> {
    let mut input = [SecurityBuffer::new(token.to_vec(), BufferType::Token)];
    let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
    let builder = ntlm
        .accept_security_context()
        .with_credentials_handle(credentials)
        .with_context_requirements(ServerRequestFlags::ALLOCATE_MEMORY)
        .with_target_data_representation(DataRepresentation::Native)
        .with_input(&mut input)
        .with_output(&mut output);
    let result = ntlm.accept_security_context_impl(builder).ok()?.resolve_to_result().ok()?;
    let [answer] = output;
    Some((result.status, answer.buffer))
}
