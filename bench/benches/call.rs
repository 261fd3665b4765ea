//! One call of Graph over loopback, beside the same call through bare reqwest.

use std::hint::black_box;
use std::time::Duration;

use bench::{Loopback, ROUND_TRIPS, Raw, pipeline};
use gungraun::{library_benchmark, library_benchmark_group, main};
use m365_core::Pipeline;
use tokio::runtime::Runtime;

struct Bare {
    runtime: Runtime,
    client: reqwest::Client,
    url: url::Url,
}

impl Bare {
    fn call(&self) -> usize {
        self.runtime.block_on(async {
            let request = self
                .client
                .get(self.url.clone())
                .header("accept", "application/json")
                .header("user-agent", "bench/1.0")
                .header("authorization", "Bearer abc");
            request.send().await.expect("an answer").bytes().await.expect("a body").len()
        })
    }
}

struct Ours {
    runtime: Runtime,
    pipeline: Pipeline,
}

impl Ours {
    fn call(&self) -> usize {
        self.runtime.block_on(async { self.pipeline.run(&Raw).await.expect("an answer").len() })
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn bare() -> Bare {
    let server = Loopback::start();
    let url = server
        .url
        .join("v1.0/users/adele@contoso.example/messages?$top=10&$select=id,subject")
        .expect("a URL");
    // As the shipped transport sets its client up.
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(120))
        .pool_idle_timeout(Duration::from_secs(90))
        .referer(false)
        .retry(reqwest::retry::never())
        .build()
        .expect("a client");
    let bare = Bare { runtime: runtime(), client, url };
    assert_eq!((bare.call(), bare.call()), (1024, 1024));
    bare
}

fn ours() -> Ours {
    let ours = Ours { runtime: runtime(), pipeline: pipeline(&Loopback::start()) };
    assert_eq!((ours.call(), ours.call()), (1024, 1024));
    ours
}

#[library_benchmark]
#[bench::warm(bare())]
fn bare_reqwest(bare: Bare) -> Bare {
    for _ in 0..ROUND_TRIPS {
        black_box(black_box(&bare).call());
    }
    bare
}

#[library_benchmark]
#[bench::warm(ours())]
fn through_the_pipeline(ours: Ours) -> Ours {
    for _ in 0..ROUND_TRIPS {
        black_box(black_box(&ours).call());
    }
    ours
}

library_benchmark_group!(name = graph_call; benchmarks = bare_reqwest, through_the_pipeline);
main!(library_benchmark_groups = graph_call);
