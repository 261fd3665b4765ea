//! What a store gives back in place of a record: anything, or a good record cut off or changed.
#![no_main]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use graph_auth::{RecordName, Result, SharedTokens, StoreKey, TokenStore};
use m365_core::{Resource, TokenCredential as _, TokenRequest};

#[derive(Clone, Debug, Default)]
struct Hostile {
    gives: Option<Bytes>,
    saved: Arc<Mutex<Option<Bytes>>>,
}

impl TokenStore for Hostile {
    async fn load(&self, _: &RecordName) -> Result<Option<Bytes>> {
        Ok(self.gives.clone())
    }

    async fn save(&self, _: &RecordName, record: Bytes, _: Duration) -> Result<()> {
        *self.saved.lock().expect("no panic") = Some(record);
        Ok(())
    }

    async fn lease(&self, _: &RecordName, _: &str, _: Duration) -> Result<bool> {
        Ok(true)
    }

    async fn release(&self, _: &RecordName, _: &str) -> Result<()> {
        Ok(())
    }
}

/// The token that a process gets before this store, and the record that it leaves there.
async fn asked(gives: Option<Bytes>, service: &str) -> (String, Option<Bytes>) {
    let store = Hostile { gives, ..Hostile::default() };
    let key = StoreKey::from_bytes(b"0123456789abcdef0123456789abcdef").expect("a key");
    let credential =
        fuzz::credential(fuzz::service(service)).with_store(SharedTokens::new(store.clone(), key));
    let token =
        credential.get_token(&TokenRequest::new(Resource::Graph)).await.expect("the service gives one");
    let saved = store.saved.lock().expect("no panic").take();
    (token.expose_secret().to_owned(), saved)
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (_, record) = asked(None, "first").await;
        let record = record.expect("it was saved");
        let gives = changed(&record, input);
        let untouched = gives == record;
        let (token, saved) = asked(Some(gives), "second").await;
        assert_eq!(token, if untouched { "first" } else { "second" });
        assert_eq!(saved.is_none(), untouched, "a record that is none is replaced");
    });
});

/// The first byte says how; the others are the record, or where and how the good one is changed.
fn changed(record: &Bytes, input: &[u8]) -> Bytes {
    let Some((how, rest)) = input.split_first() else { return Bytes::new() };
    let mut changed = record.to_vec();
    match how % 4 {
        0 => changed = rest.to_vec(),
        // Of the right version.
        1 => changed = [record.get(..1).unwrap_or_default(), rest].concat(),
        2 => changed.truncate(rest.first().map_or(0, |length| usize::from(*length))),
        _ => {
            for pair in rest.chunks_exact(2) {
                if let [at, bits] = pair
                    && let Some(byte) = changed.get_mut(usize::from(*at))
                {
                    *byte ^= bits;
                }
            }
        }
    }
    changed.into()
}
