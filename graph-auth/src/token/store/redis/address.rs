//! Where Redis is, out of a URL that may hold a password.

use m365_core::{Error, Result};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// How to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Tcp {
        host: String,
        port: u16,
        tls: bool,
    },
    #[cfg(unix)]
    Socket(std::path::PathBuf),
}

/// Who we are there.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
}

#[derive(Clone)]
pub(super) struct Address {
    pub(super) way: Way,
    pub(super) login: Login,
    pub(super) database: u32,
}

impl Address {
    /// No error repeats any part of the text.
    pub(super) fn parse(text: &SecretString) -> Result<Self> {
        let url = Url::parse(text.expose_secret().trim()).map_err(|_| {
            Error::invalid("the Redis URL is none: redis://, rediss:// or unix:// and a place")
        })?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            "unix" | "redis+unix" => return Self::socket(&url),
            _ => return Err(Error::invalid("the Redis URL must begin with redis://, rediss:// or unix://")),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| Error::invalid("the Redis URL names no host"))?;
        if url.query().is_some() || url.fragment().is_some() {
            // Other clients take options here; none may seem to be honoured that is not.
            return Err(Error::invalid(
                "the Redis URL has options behind ? or #, of which none is known here",
            ));
        }
        let database = match url.path().trim_matches('/') {
            "" => 0,
            digits => database(digits)?,
        };
        // Brackets belong to the URL, not to the address.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let way = Way::Tcp { host, port: url.port().unwrap_or(6379), tls };
        Ok(Self { way, login: login(url.username(), url.password())?, database })
    }

    #[cfg(unix)]
    fn socket(url: &Url) -> Result<Self> {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt as _;

        let path: Vec<u8> = percent_decode_str(url.path()).collect();
        if path.len() < 2 || url.host_str().is_some_and(|host| !host.is_empty()) {
            return Err(Error::invalid("a Redis socket is named unix:///its/path"));
        }
        let (mut user, mut password, mut number) = (String::new(), None, 0);
        for (name, value) in url.query_pairs() {
            match &*name {
                "user" => user = value.into_owned(),
                "pass" | "password" => password = Some(SecretString::from(value.into_owned())),
                "db" => number = database(&value)?,
                _ => return Err(Error::invalid("the Redis URL has an option that is not known here")),
            }
        }
        let login = Login { user: (!user.is_empty()).then_some(user), password };
        Ok(Self { way: Way::Socket(OsString::from_vec(path).into()), login, database: number })
    }

    #[cfg(not(unix))]
    fn socket(_: &Url) -> Result<Self> {
        Err(Error::invalid("there are no Redis sockets on this platform"))
    }
}

fn login(user: &str, password: Option<&str>) -> Result<Login> {
    let plain = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded
            .map(|text| text.into_owned())
            .map_err(|_| Error::invalid("user or password of the Redis URL are no text"))
    };
    let user = if user.is_empty() { None } else { Some(plain(user)?) };
    let password = password.map(plain).transpose()?.map(SecretString::from);
    if user.is_some() && password.is_none() {
        return Err(Error::invalid(
            "the Redis URL has a user and no password: a password alone stands behind a colon",
        ));
    }
    Ok(Login { user, password })
}

fn database(digits: &str) -> Result<u32> {
    digits.parse().map_err(|_| Error::invalid("the database in the Redis URL is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address> {
        Address::parse(&text.into())
    }

    #[test]
    fn urls_say_where_and_who() {
        let a = parse("rediss://app:p%40ss@cache.example:6380/2").unwrap();
        assert_eq!(a.way, Way::Tcp { host: "cache.example".into(), port: 6380, tls: true });
        assert_eq!((a.login.user.as_deref(), a.database), (Some("app"), 2));
        assert_eq!(a.login.password.unwrap().expose_secret(), "p@ss");
        let b = parse("redis://:only@[::1]").unwrap();
        assert_eq!(b.way, Way::Tcp { host: "::1".into(), port: 6379, tls: false });
        assert_eq!((b.login.user, b.login.password.unwrap().expose_secret(), b.database), (None, "only", 0));
        #[cfg(unix)]
        {
            let c = parse("unix:///run/redis%20x.sock?db=3&pass=s%26t").unwrap();
            assert_eq!(c.way, Way::Socket("/run/redis x.sock".into()));
            assert_eq!((c.login.password.unwrap().expose_secret(), c.database), ("s&t", 3));
        }
    }

    #[test]
    fn no_error_repeats_any_of_a_url_that_is_none() {
        for bad in [
            "hidden",
            "http://:hidden@h",
            "redis://",
            "redis://:hidden@h/hidden",
            "redis://hidden@h",
            "redis://:hidden@h?hidden=1",
            "unix://hidden/x",
            "unix:///x?hidden=1",
            "redis://:hidden@h:99999",
        ] {
            let Err(error) = parse(bad) else { panic!("{bad} was taken") };
            assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
        }
    }
}
