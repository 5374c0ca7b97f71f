//! Asking this machine's server over DNS (RFC 1035) who answers for a zone.

use std::{io, net::Ipv4Addr, time::Duration};

use npanel_model::Fqdn;
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep, timeout_at},
};

use crate::ServiceError;

const ANSWERED: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);
/// The code of a server that has no such zone.
const REFUSED: u8 = 5;
/// SOA, in the Internet class.
const SOA: [u8; 4] = [0, 6, 0, 1];

/// Waits until the server answers authoritatively for the zone.
///
/// # Errors
/// If it does not in time.
pub(super) async fn is_answered(zone: &Fqdn) -> Result<(), ServiceError> {
    let end = Instant::now() + ANSWERED;
    loop {
        let found = match timeout_at(end, ask(zone)).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(found))) => found,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() + PAUSE >= end {
            let detail = format!("the SOA of {zone}: {found}");
            return Err(ServiceError::Unverified { service: "powerdns", detail });
        }
        sleep(PAUSE).await;
    }
}

/// Whether the server says that the zone is none of its own.
pub(super) async fn is_refused(zone: &Fqdn) -> bool {
    let asked = timeout_at(Instant::now() + ANSWERED, asked(zone)).await;
    matches!(asked, Ok(Ok((_, answer))) if answer.get(3).is_some_and(|code| code & 0x0f == REFUSED))
}

async fn ask(zone: &Fqdn) -> io::Result<Result<(), String>> {
    let (question, answer) = asked(zone).await?;
    Ok(judge(&question, &answer))
}

/// A question and the answer to it.
async fn asked(zone: &Fqdn) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect((Ipv4Addr::LOCALHOST, 53)).await?;
    let question = question(zone);
    socket.send(&question).await?;
    let mut answer = [0; 1232];
    let length = socket.recv(&mut answer).await?;
    Ok((question, answer[..length].to_vec()))
}

/// A query of one question. The socket is connected and fresh, so its id need not be random.
fn question(zone: &Fqdn) -> Vec<u8> {
    let mut message = vec![0x6e, 0x70, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in zone.as_str().split('.') {
        // A label has at most 63 octets.
        message.push(u8::try_from(label.len()).unwrap_or(63));
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&SOA);
    message
}

/// Whether an answer is to this question, authoritative, without an error, and not empty.
fn judge(question: &[u8], answer: &[u8]) -> Result<(), String> {
    let [id1, id2, flags, code, _, _, answers1, answers2, ..] = *answer else {
        return Err("a message too short".to_owned());
    };
    let authoritative = flags & 0b1000_0100 == 0b1000_0100;
    match (code & 0x0f, u16::from_be_bytes([answers1, answers2])) {
        _ if question.get(..2) != Some(&[id1, id2]) => Err("an answer to another question".to_owned()),
        (0, 1..) if authoritative => Ok(()),
        (code, answers) => Err(format!("code {code}, {answers} records, authoritative: {authoritative}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Fqdn {
        "a.example".parse().expect("a zone")
    }

    #[test]
    fn a_question_is_as_rfc_1035_writes_it() {
        let expected = b"np\0\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x06\0\x01";
        assert_eq!(question(&zone()), expected);
    }

    #[test]
    fn only_an_authoritative_answer_with_a_record_counts() {
        let question = question(&zone());
        let answer =
            |flags: u8, code: u8, answers: u8| [b'n', b'p', flags, code, 0, 1, 0, answers, 0, 0, 0, 0];
        assert_eq!(judge(&question, &answer(0x84, 0, 1)), Ok(()));
        assert!(judge(&question, &answer(0x80, 0, 1)).is_err());
        assert!(judge(&question, &answer(0x84, 3, 0)).is_err());
        assert!(judge(&question, &answer(0x84, 5, 0)).is_err());
        assert!(judge(&question, b"xx\x84\0\0\x01\0\x01").is_err());
        assert!(judge(&question, b"np").is_err());
    }
}
