//! EWS: reading a page of a calendar, free/busy and a stream; writing requests.

use std::hint::black_box;

use bench::ews::{
    REQUESTS, availability, ews_build, ews_page, framed, our_availability, our_page, our_request, our_stream,
    page, question, raw_41, raw_42, serde_availability, serde_page, stream, target, view,
};
use ews_client::{
    Answer, Availability, CalendarPage, FindItem, GetUserAvailability, StreamingMessage, Target,
};
use gungraun::{library_benchmark, library_benchmark_group, main};

// What is made is handed out: taking it apart again is not reading.

#[library_benchmark]
#[bench::page(page())]
fn page_raw(xml: Vec<u8>) -> Vec<u8> {
    black_box(raw_42(black_box(&xml)));
    xml
}

#[library_benchmark]
#[bench::page(page())]
fn page_raw_before(xml: Vec<u8>) -> Vec<u8> {
    black_box(raw_41(black_box(&xml)));
    xml
}

#[library_benchmark]
#[bench::page((view(), page()))]
fn page_ours((view, xml): (FindItem, Vec<u8>)) -> (Answer<CalendarPage>, FindItem, Vec<u8>) {
    (our_page(black_box(&view), black_box(&xml)), view, xml)
}

#[library_benchmark]
#[bench::page(page())]
fn page_serde(xml: Vec<u8>) -> (impl Sized, Vec<u8>) {
    (serde_page(black_box(&xml)), xml)
}

#[library_benchmark]
#[bench::page(page())]
fn page_ews(xml: Vec<u8>) -> (impl Sized, Vec<u8>) {
    (ews_page(black_box(&xml)), xml)
}

#[library_benchmark]
#[bench::busy(availability())]
fn busy_raw(xml: Vec<u8>) -> Vec<u8> {
    black_box(raw_42(black_box(&xml)));
    xml
}

#[library_benchmark]
#[bench::busy(availability())]
fn busy_raw_before(xml: Vec<u8>) -> Vec<u8> {
    black_box(raw_41(black_box(&xml)));
    xml
}

#[library_benchmark]
#[bench::busy((question(), availability()))]
fn busy_ours(
    (question, xml): (GetUserAvailability, Vec<u8>),
) -> (Answer<Availability>, GetUserAvailability, Vec<u8>) {
    (our_availability(black_box(&question), black_box(&xml)), question, xml)
}

#[library_benchmark]
#[bench::busy(availability())]
fn busy_serde(xml: Vec<u8>) -> (impl Sized, Vec<u8>) {
    (serde_availability(black_box(&xml)), xml)
}

#[library_benchmark]
#[bench::stream(stream())]
fn stream_raw(xml: Vec<u8>) -> Vec<u8> {
    black_box(raw_42(black_box(&xml)));
    xml
}

#[library_benchmark]
#[bench::stream(stream())]
fn stream_raw_before(xml: Vec<u8>) -> Vec<u8> {
    black_box(raw_41(black_box(&xml)));
    xml
}

#[library_benchmark]
#[bench::stream(stream())]
fn stream_ours(xml: Vec<u8>) -> (Vec<StreamingMessage>, Vec<u8>) {
    let messages = our_stream(black_box(&xml));
    assert_eq!(messages.len(), 300);
    (messages, xml)
}

#[library_benchmark]
#[bench::stream(stream())]
fn stream_framed(xml: Vec<u8>) -> Vec<u8> {
    assert_eq!(framed(black_box(&xml)), 300);
    xml
}

#[library_benchmark]
#[bench::view((view(), target()))]
fn build_view((view, target): (FindItem, Target)) -> (FindItem, Target) {
    for _ in 0..REQUESTS {
        black_box(our_request(black_box(&view), black_box(&target)));
    }
    (view, target)
}

#[library_benchmark]
fn build_view_ews() {
    for _ in 0..REQUESTS {
        black_box(ews_build());
    }
}

#[library_benchmark]
#[bench::question((question(), target()))]
fn build_busy((question, target): (GetUserAvailability, Target)) -> (GetUserAvailability, Target) {
    for _ in 0..REQUESTS {
        black_box(our_request(black_box(&question), black_box(&target)));
    }
    (question, target)
}

library_benchmark_group!(name = ews_page_read; benchmarks = page_raw, page_raw_before, page_ours, page_serde, page_ews);
library_benchmark_group!(name = ews_busy_read; benchmarks = busy_raw, busy_raw_before, busy_ours, busy_serde);
library_benchmark_group!(name = ews_stream_read; benchmarks = stream_raw, stream_raw_before, stream_ours, stream_framed);
library_benchmark_group!(name = ews_build; benchmarks = build_view, build_view_ews, build_busy);
main!(library_benchmark_groups = ews_page_read, ews_busy_read, ews_stream_read, ews_build);
