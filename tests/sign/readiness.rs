//! The service that was polled ready is the one that is called.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service as _, ServiceExt as _};
use tower_portkey::{
    SignLayer,
    body::FullOr,
    context::{AwsIdentity, AwsSigning},
};
use tower_test::mock;

use crate::wire::keys;

#[tokio::test]
async fn a_body_that_is_waited_for_and_one_that_is_there() {
    type Inner = mock::Mock<Request<FullOr<Full<Bytes>>>, Response<Full<Bytes>>>;

    let signing = AwsSigning::new(AwsIdentity::Keys(keys(None)), "us-east-1", "bedrock").expect("labels");
    let (inner, mut handle): (Inner, _) = mock::pair();
    let mut service = SignLayer::always(signing).layer(inner);
    for body in [FullOr::full("{}"), FullOr::inner(Full::new(Bytes::from("{}")))] {
        handle.allow(1);
        let request = Request::post("https://h.example/").body(body).expect("a request");
        let answer = service.ready().await.expect("ready").call(request);
        let answering = async {
            let (request, respond) = handle.next_request().await.expect("a request");
            assert!(request.headers().contains_key("authorization"));
            respond.send_response(Response::new(Full::new(Bytes::new())));
        };
        let (answer, ()) = tokio::join!(answer, answering);
        assert_eq!(answer.expect("an answer").status(), 200);
    }
}
