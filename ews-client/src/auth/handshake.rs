//! The tokens of NTLM and SPNEGO, without the connection that they travel on.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use m365_core::{Acted, Error, ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use sspi::generator::NetworkRequest;
use sspi::network_client::{NetworkClient, NetworkProtocol};
use sspi::ntlm::NtlmConfig;
use sspi::{
    AuthIdentity, AuthIdentityBuffers, BufferType, ClientRequestFlags, Credentials, CredentialsBuffers,
    DataRepresentation, InitializeSecurityContextResult, KerberosConfig, Negotiate, NegotiateConfig, Ntlm,
    SecurityBuffer, SecurityStatus, SspiImpl, Username,
};
use url::Url;

/// Longest token taken from a server. Kerberos tickets of people in very many groups have some 60 KB.
pub(crate) const LONGEST_TOKEN: usize = 128 << 10;

/// How long a domain controller may take.
const KDC_TIMEOUT: Duration = Duration::from_secs(5);

/// Whose name and password are proven. `Debug` shows neither.
#[derive(Clone)]
pub(crate) struct Account {
    user: Username,
    password: SecretString,
}

impl Account {
    pub(crate) fn new(user: &str, password: SecretString) -> Result<Self> {
        let user = Username::parse(user)
            .map_err(|_| Error::invalid("a user name reads user@domain, DOMAIN\\user or user"))?;
        Ok(Self { user, password })
    }

    fn identity(&self) -> AuthIdentity {
        AuthIdentity {
            username: self.user.clone(),
            password: self.password.expose_secret().to_owned().into(),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account")
    }
}

/// Which of the two schemes, with what it needs.
#[derive(Clone, Debug)]
pub(crate) enum Mechanism {
    Ntlm,
    #[cfg(feature = "negotiate")]
    Negotiate {
        kdc: Option<Url>,
    },
}

impl Mechanism {
    /// As `WWW-Authenticate` and `Authorization` spell it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            #[cfg(feature = "negotiate")]
            Self::Negotiate { .. } => "Negotiate",
        }
    }
}

/// One sign-in, between two tokens.
pub(crate) struct Handshake {
    context: Context,
    /// `HTTP/` and the host: whom the tickets are for.
    target: String,
    bindings: Option<Vec<u8>>,
    done: bool,
}

enum Context {
    Ntlm(Box<Ntlm>, Option<AuthIdentityBuffers>),
    #[cfg(feature = "negotiate")]
    Negotiate(Box<Negotiate>, Option<CredentialsBuffers>),
}

impl Handshake {
    pub(crate) fn new(
        mechanism: &Mechanism,
        account: &Account,
        host: &str,
        bindings: Option<Vec<u8>>,
    ) -> Result<Self> {
        let identity = account.identity();
        let context = match mechanism {
            Mechanism::Ntlm => {
                Context::Ntlm(Box::new(Ntlm::with_config(NtlmConfig::default())), Some(identity.into()))
            }
            #[cfg(feature = "negotiate")]
            Mechanism::Negotiate { kdc } => {
                let kerberos = KerberosConfig {
                    kdc_resolution: sspi::KdcResolution::KdcUrl(kdc.clone()),
                    client_computer_name: String::new(),
                };
                let allowed = Some("kerberos,ntlm".to_owned());
                let config = NegotiateConfig::new(Box::new(kerberos), allowed, String::new());
                let negotiate = Negotiate::new_client(config).map_err(refused)?;
                let credentials = Credentials::AuthIdentity(identity).try_into().map_err(refused)?;
                Context::Negotiate(Box::new(negotiate), Some(credentials))
            }
        };
        Ok(Self { context, target: format!("HTTP/{host}"), bindings, done: false })
    }

    /// Whether the first token may already be the last one, so that the request should go along with it.
    pub(crate) fn may_end_at_once(&self) -> bool {
        match &self.context {
            Context::Ntlm(..) => false,
            #[cfg(feature = "negotiate")]
            Context::Negotiate(negotiate, _) => negotiate.negotiated_protocol().is_kerberos(),
        }
    }

    /// Whether this side has nothing more to say.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// The next token after the server's. It may ask a domain controller, and computes: so it runs where blocking is
    /// allowed, and a panic there becomes an error.
    pub(crate) async fn next(self, token: Vec<u8>) -> Result<(Self, Vec<u8>)> {
        tokio::task::spawn_blocking(move || self.step(token)).await.map_err(|_| {
            Error::new(ErrorKind::Authentication, "the sign-in failed on what the server sent")
                .with_acted(Acted::No)
        })?
    }

    fn step(mut self, token: Vec<u8>) -> Result<(Self, Vec<u8>)> {
        let mut input = vec![SecurityBuffer::new(token, BufferType::Token)];
        if let Some(bindings) = &self.bindings {
            input.push(SecurityBuffer::new(bindings.clone(), BufferType::ChannelBindings));
        }
        let mut output = vec![SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let result = match &mut self.context {
            Context::Ntlm(ntlm, credentials) => step(
                &mut **ntlm,
                credentials,
                &self.target,
                // No message is signed or sealed: TLS does that.
                ClientRequestFlags::empty(),
                &mut input,
                &mut output,
            ),
            #[cfg(feature = "negotiate")]
            Context::Negotiate(negotiate, credentials) => step(
                &mut **negotiate,
                credentials,
                &self.target,
                ClientRequestFlags::MUTUAL_AUTH,
                &mut input,
                &mut output,
            ),
        }
        .map_err(refused)?;
        self.done =
            !matches!(result.status, SecurityStatus::ContinueNeeded | SecurityStatus::CompleteAndContinue);
        let token = output.into_iter().next().map(|buffer| buffer.buffer).unwrap_or_default();
        Ok((self, token))
    }
}

fn step<S: SspiImpl>(
    context: &mut S,
    credentials: &mut S::CredentialsHandle,
    target: &str,
    flags: ClientRequestFlags,
    input: &mut [SecurityBuffer],
    output: &mut [SecurityBuffer],
) -> sspi::Result<InitializeSecurityContextResult>
where
    S: sspi::Sspi,
{
    let mut builder = context
        .initialize_security_context()
        .with_credentials_handle(credentials)
        .with_context_requirements(flags)
        .with_target_data_representation(DataRepresentation::Native)
        .with_target_name(target)
        .with_input(input)
        .with_output(output);
    context.initialize_security_context_impl(&mut builder)?.resolve_with_client(&DomainController)
}

/// The text of such an error may name the account; its kind does not.
fn refused(error: sspi::Error) -> Error {
    Error::new(ErrorKind::Authentication, format!("the sign-in was broken off: {:?}", error.error_type))
        .with_acted(Acted::No)
}

/// Asks a domain controller over TCP.
struct DomainController;

impl NetworkClient for DomainController {
    fn send(&self, request: &NetworkRequest) -> sspi::Result<Vec<u8>> {
        if request.protocol != NetworkProtocol::Tcp {
            return Err(unreachable_controller("only tcp:// is spoken to a domain controller"));
        }
        ask(&request.url, &request.data).map_err(|error| unreachable_controller(&error.to_string()))
    }
}

fn unreachable_controller(why: &str) -> sspi::Error {
    sspi::Error::new(sspi::ErrorKind::NoAuthenticatingAuthority, why.to_owned())
}

fn ask(url: &Url, data: &[u8]) -> std::io::Result<Vec<u8>> {
    let none = || std::io::Error::other("no domain controller at this address");
    let at = (url.host_str().unwrap_or_default(), url.port().unwrap_or(88));
    let mut connected = Err(none());
    for address in at.to_socket_addrs()? {
        connected = TcpStream::connect_timeout(&address, KDC_TIMEOUT);
        if connected.is_ok() {
            break;
        }
    }
    let mut stream = connected?;
    stream.set_read_timeout(Some(KDC_TIMEOUT))?;
    stream.set_write_timeout(Some(KDC_TIMEOUT))?;
    stream.write_all(data)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let claimed = u32::from_be_bytes(length) as usize;
    if claimed > 1 << 20 {
        return Err(std::io::Error::other("the domain controller's answer is too long"));
    }
    // The length stays in front: sspi reads it there.
    let mut answer = length.to_vec();
    answer.resize(4 + claimed, 0);
    stream.read_exact(answer.get_mut(4..).ok_or_else(none)?)?;
    Ok(answer)
}

/// `tls-server-end-point` of RFC 5929, in the form that SSPI takes: a header of 32 bytes, then the data.
pub(crate) fn channel_bindings(certificate_hash: &[u8]) -> Vec<u8> {
    const PREFIX: &[u8] = b"tls-server-end-point:";
    const HEADER: usize = 32;
    let length = u32::try_from(PREFIX.len() + certificate_hash.len()).unwrap_or(0);
    let mut bytes = vec![0; HEADER - 8];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&(HEADER as u32).to_le_bytes());
    bytes.extend_from_slice(PREFIX);
    bytes.extend_from_slice(certificate_hash);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_are_read_by_sspi_as_they_were_meant() {
        let read = sspi::channel_bindings::ChannelBindings::from_bytes(channel_bindings(&[7; 32])).unwrap();
        assert!(read.initiator.is_empty() && read.acceptor.is_empty());
        assert_eq!(read.application_data, [b"tls-server-end-point:".as_slice(), &[7; 32]].concat());
    }

    #[tokio::test]
    async fn what_a_server_sends_instead_of_a_challenge_is_an_error() {
        let account = Account::new(r"FABRIKAM\svc", "invented".into()).unwrap();
        for garbage in [
            &b""[..],
            b"NTLMSSP\0",
            b"NTLMSSP\0\x02\0\0\0",
            &[0xFF; 64],
            b"NTLMSSP\0\x02\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        ] {
            let handshake = Handshake::new(&Mechanism::Ntlm, &account, "mail.fabrikam.example", None).unwrap();
            let (handshake, first) = handshake.next(Vec::new()).await.unwrap();
            assert!(first.starts_with(b"NTLMSSP\0\x01"));
            assert!(!handshake.is_done());
            assert_eq!(handshake.next(garbage.to_vec()).await.err().unwrap().kind(), ErrorKind::Authentication);
        }
    }
}
