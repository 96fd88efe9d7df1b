//! How often memory is asked for to read the arguments of a command.

use jobq_allocation::allocations_of;
use jobq_protocol::{find, parse};

use crate::recorded::assert_recorded;

#[test]
fn arguments_are_read_with_as_many_allocations_as_are_known() {
    let receipts = (1..=64).map(|n| format!("01JDC8ZP0G00000000000000{:02}@{n}", n % 100));
    let many_receipts = receipts.collect::<Vec<_>>().join(" ");
    let many_bodies = ["body"; 64].join(" ");
    let counted = [
        ("a job", "JQ.PUBLISH mail body".to_string()),
        ("a job with options", "JQ.PUBLISH mail body DELAY 5000 TRIES 3 PRIORITY 1".into()),
        ("a job with headers", "JQ.PUBLISH mail body HEADERS 2 a 1 b 2".into()),
        ("64 jobs", format!("JQ.MPUBLISH mail 64 {many_bodies}")),
        ("consume", "JQ.CONSUME mail".into()),
        ("consume with options", "JQ.CONSUME mail COUNT 64 BLOCK 5000 WORKER w TTR 1000".into()),
        ("consume of two queues", "JQ.CONSUME mail ALSO sms".into()),
        ("ack", "JQ.ACK mail 01JDC8ZP0G0000000000000000@1".into()),
        ("ack 64", format!("JQ.ACK mail {many_receipts}")),
        ("nack", "JQ.NACK mail 01JDC8ZP0G0000000000000000@1 ERROR no DELAY 5".into()),
        ("touch", "JQ.TOUCH mail 01JDC8ZP0G0000000000000000@1".into()),
    ]
    .map(|(name, line)| {
        let argv: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        let command = find(argv[0]).expect("a command of ours");
        let (call, allocations) = allocations_of(|| parse(command, &argv));
        assert!(call.is_ok(), "{line}: {call:?}");
        format!("{name}: {allocations}")
    });
    assert_recorded("arguments.txt", &counted);
}
