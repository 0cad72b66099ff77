//! Portkey's error bodies.

use serde::Serialize;

use super::{Rejection, kind::Shape};

/// The body of a refusal, and its content type.
pub(super) fn body(rejection: &Rejection) -> (Vec<u8>, &'static str) {
    let message = rejection.message();
    match rejection.kind().shape() {
        Shape::Account(code) => {
            let message = format!("Portkey Error: {message}. Error Code: {code}");
            let error = Error { message: &message, code };
            (
                json(&Failure { status: "failure", message: &message, error: Some(error), errors: &[] }),
                "application/json;charset=UTF-8",
            )
        }
        Shape::Coded(code) => {
            let error = Error { message, code };
            (json(&Failure { status: "failure", message, error: Some(error), errors: &[] }), "application/json")
        }
        Shape::Plain => {
            let errors = rejection.details();
            (json(&Failure { status: "failure", message, error: None, errors }), "application/json")
        }
        Shape::Named => {
            let (code, field) = rejection.code().unwrap_or_default();
            (
                json(&Named { status: "failure", error: NamedError { code, message, field }, message }),
                "application/json",
            )
        }
        Shape::OpenAi(kind, code) => {
            (json(&OpenAi { error: OpenAiError { message, kind, param: None, code } }), "application/json")
        }
        Shape::NotFound => (json(&NotFound { message, ok: false }), "application/json"),
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Structs of strings always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

#[derive(Serialize)]
struct Failure<'a> {
    status: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    errors: &'a [String],
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    code: &'a str,
}

#[derive(Serialize)]
struct Named<'a> {
    status: &'static str,
    error: NamedError<'a>,
    message: &'a str,
}

#[derive(Serialize)]
struct NamedError<'a> {
    code: &'a str,
    message: &'a str,
    field: &'a str,
}

#[derive(Serialize)]
struct OpenAi<'a> {
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct NotFound<'a> {
    message: &'a str,
    ok: bool,
}
