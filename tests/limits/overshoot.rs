//! However requests overlap and end: the limit is exceeded by no more than what was used beyond what was taken.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use proptest::prelude::*;
use tower::{Layer, Service};
use tower_portkey::{LimitLayer, body::FullOr, limit::LimitBody};

use crate::{
    harness::{Answer, Counters, Piece, Pieces, Provider, counters, limited, used},
    support::{by, chat},
};

type Answered = Response<FullOr<LimitBody<Pieces, Counters>>>;
type Call = Pin<Box<dyn Future<Output = Result<Answered, std::convert::Infallible>>>>;

/// What is done next.
#[derive(Clone, Debug)]
enum Act {
    /// A request that says how much its answer may have, and one that doesn't; and what it will have used.
    Ask { most: Option<u64>, output: u64, end: How },
    /// So many frames of an answer that is under way are read.
    Read { call: usize, frames: usize },
    /// Nobody wants the answer any more.
    Drop { call: usize },
}

#[derive(Clone, Copy, Debug)]
enum How {
    Json,
    Stream,
    Broken,
    Failed,
}

fn act() -> impl Strategy<Value = Act> {
    let how = prop_oneof![Just(How::Json), Just(How::Stream), Just(How::Broken), Just(How::Failed)];
    prop_oneof![
        2 => (proptest::option::of(1_u64..40), 0_u64..60, how).prop_map(|(most, output, end)| Act::Ask { most, output, end }),
        3 => (0_usize..9, 1_usize..40).prop_map(|(call, frames)| Act::Read { call, frames }),
        1 => (0_usize..9).prop_map(|call| Act::Drop { call }),
    ]
}

/// An answer that uses so many tokens, all of them of its own.
fn answer(output: u64, end: How) -> Answer {
    let usage = format!(r#"{{"choices":[],"usage":{{"prompt_tokens":0,"completion_tokens":{output}}}}}"#);
    let events: Vec<_> = (0..output).map(|_| r#"{"choices":[{"delta":{"content":"a"}}]}"#).collect();
    match end {
        How::Json => Answer::json(200, usage),
        How::Failed => Answer::json(500, "{}"),
        How::Broken => Answer::events(&events).and(Piece::Broken),
        How::Stream => {
            let last = Bytes::from(format!("data: {usage}\n\ndata: [DONE]\n\n"));
            Answer::events(&events).and(Piece::Data(last))
        }
    }
}

proptest! {
    #[test]
    fn a_limit_is_exceeded_by_what_was_in_flight_beyond_its_reservation(
        acts in proptest::collection::vec(act(), 1..40),
        limit in 1_u64..120,
    ) {
        const GUESS: u64 = 16;
        let (_, counters) = counters();
        let who = limited(&format!(r#"{{"type":"tokens","credit_limit":{limit}}}"#), "[]");
        let mut cx = Context::from_waker(Waker::noop());
        let (mut bodies, mut beyond): (Vec<(Pin<Box<_>>, u64)>, u64) = (Vec::new(), 0);
        let total = || used(&counters).first().map_or(0, |(_, used, held)| used + held);
        for act in acts {
            match act {
                Act::Ask { most, output, end } => {
                    let layer = LimitLayer::callers(counters.clone()).read_bodies().default_output_tokens(GUESS);
                    let mut service = layer.layer(Provider::new([answer(output, end)]));
                    let text = most.map_or_else(|| "{}".to_owned(), |most| format!(r#"{{"max_tokens":{most}}}"#));
                    let prompt = text.len().div_ceil(4) as u64;
                    let before = total();
                    let request: Request<FullOr<Full<Bytes>>> = by(who.clone(), chat(&[])).map(|_| FullOr::full(text));
                    let mut call: Call = Box::pin(service.call(request));
                    let Poll::Ready(Ok(response)) = call.as_mut().poll(&mut cx) else { panic!("an answer") };
                    let fits = before + most.unwrap_or(1) <= limit;
                    prop_assert_eq!(response.status() == 412, !fits, "{} of {}", before, limit);
                    if response.status() == 200 {
                        // What may be used beyond what was taken: the prompt's guess is counted where a stream is cut.
                        let taken = (prompt + most.unwrap_or(GUESS)).min(limit - before);
                        beyond += (output.max(1) + prompt).saturating_sub(taken);
                        bodies.push((Box::pin(response.into_body()), taken));
                    }
                }
                Act::Read { call, frames } if !bodies.is_empty() => {
                    let at = call % bodies.len();
                    for _ in 0..frames {
                        if !matches!(bodies[at].0.as_mut().poll_frame(&mut cx), Poll::Ready(Some(Ok(_)))) {
                            drop(bodies.swap_remove(at));
                            break;
                        }
                    }
                }
                Act::Drop { call } if !bodies.is_empty() => {
                    let at = call % bodies.len();
                    drop(bodies.swap_remove(at));
                }
                Act::Read { .. } | Act::Drop { .. } => {}
            }
            prop_assert!(total() <= limit + beyond, "{} of {}, {} beyond", total(), limit, beyond);
        }
        // Whatever happened, nothing stays held.
        drop(bodies);
        prop_assert!(used(&counters).iter().all(|(_, _, held)| *held == 0));
    }
}
