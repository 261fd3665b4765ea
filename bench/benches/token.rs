//! A cached token, and a client assertion.

use std::hint::black_box;
use std::sync::Arc;

use azure_core::credentials::TokenCredential as _;
use azure_identity::ClientSecretCredential;
use bench::{AZURE_SCOPE, Assertion, CALLS, Hit, azure_credential, keyed_hit, now, one_scope_hit};
use gungraun::{library_benchmark, library_benchmark_group, main};
use m365_core::SharedClock;

fn clock() -> (SharedClock, jiff::Timestamp) {
    let clock = SharedClock::system();
    let later = clock.now() + std::time::Duration::from_secs(3600);
    (clock, later)
}

// What any answer about a token's age costs: the time, and one comparison.
#[library_benchmark]
#[bench::system(clock())]
fn reference((clock, later): (SharedClock, jiff::Timestamp)) -> (SharedClock, u32) {
    let mut valid = 0;
    for _ in 0..CALLS {
        valid += u32::from(black_box(&clock).now() < black_box(later));
    }
    (clock, valid)
}

#[library_benchmark]
#[bench::warm(one_scope_hit())]
fn one_scope(hit: Hit) -> Hit {
    for _ in 0..CALLS {
        black_box(black_box(&hit).take());
    }
    hit
}

#[library_benchmark]
#[bench::of_a_thousand(keyed_hit())]
fn keyed(hit: Hit) -> Hit {
    for _ in 0..CALLS {
        black_box(black_box(&hit).take());
    }
    hit
}

#[library_benchmark]
#[bench::warm(azure_credential())]
fn peer_azure_identity(credential: Arc<ClientSecretCredential>) -> Arc<ClientSecretCredential> {
    for _ in 0..CALLS {
        let token = now(black_box(&credential).get_token(&[AZURE_SCOPE], None)).expect("a token");
        // Ready for a request, as ours is.
        let mut header =
            http::HeaderValue::try_from(format!("Bearer {}", token.token.secret())).expect("a header");
        header.set_sensitive(true);
        black_box(header);
    }
    credential
}

// The signature alone, of the library that signs ours.
#[library_benchmark]
#[bench::rsa_2048(Assertion::new())]
fn bare(assertion: Assertion) -> Assertion {
    for _ in 0..10 {
        black_box(assertion.bare(black_box(&[7; 500])));
    }
    assertion
}

#[library_benchmark]
#[bench::rsa_2048(Assertion::new())]
fn ours(assertion: Assertion) -> Assertion {
    for _ in 0..10 {
        black_box(black_box(&assertion).whole());
    }
    assertion
}

library_benchmark_group!(name = token_hit; benchmarks = reference, one_scope, keyed, peer_azure_identity);
library_benchmark_group!(name = assertion; benchmarks = bare, ours);
main!(library_benchmark_groups = token_hit, assertion);
