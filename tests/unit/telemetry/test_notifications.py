"""Messages on their way: nobody waits for them, what fails is tried again, and no address is in any word."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable

import pytest

from reconciler.core.errors import ConfigError
from reconciler.telemetry import notifications
from reconciler.telemetry.notifications import (
    LONGEST_QUEUE,
    HeartbeatSender,
    Message,
    MessageSender,
    Severity,
    apprise_delivery,
    require_apprise,
)
from tests.receiver import PATIENCE_SECONDS, Receiver


def a_message(title: str = "Reconciler: a test") -> Message:
    return Message(title=title, body="words", severity=Severity.WARNING)


def a_sender(deliver: Callable[[Message], bool], **options: int) -> MessageSender:
    return MessageSender("file /x", deliver, first_pause_seconds=0.001, **options)


def end(one: MessageSender | HeartbeatSender) -> None:
    one.close()
    one.join(PATIENCE_SECONDS)


def test_messages_arrive_in_their_order() -> None:
    seen: list[str] = []

    def deliver(message: Message) -> bool:
        seen.append(message.title)
        return True

    one = a_sender(deliver)
    messages = [a_message(str(number)) for number in range(5)]
    for message in messages:
        one.put(message)
    end(one)
    assert seen == ["0", "1", "2", "3", "4"]
    assert all(message.arrived.is_set() for message in messages)


def test_what_fails_is_tried_again_and_then_given_up(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[str] = []
    given_up = threading.Event()

    def deliver(message: Message) -> bool:
        tries.append(message.title)
        if message.title == "good":
            given_up.set()
        return message.title == "good"

    one = a_sender(deliver, attempts=3)
    bad, good = a_message("bad"), a_message("good")
    one.put(bad)
    one.put(good)
    assert given_up.wait(PATIENCE_SECONDS)
    end(one)
    assert tries == ["bad", "bad", "bad", "good"]
    assert (bad.arrived.is_set(), good.arrived.is_set()) == (False, True)
    told = [record.message for record in caplog.records]
    assert told == ["a message could not be sent yet", "a message could not be sent yet", "a message was given up"]


def test_a_message_that_is_given_up_keeps_the_next_one_waiting_no_longer() -> None:
    one = MessageSender("file /x", lambda message: message.title == "good", attempts=1, first_pause_seconds=3600)
    good = a_message("good")
    one.put(a_message("bad"))
    one.put(good)
    assert good.arrived.wait(PATIENCE_SECONDS)
    end(one)


def test_an_address_that_raises_is_tried_again_and_its_words_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    def deliver(message: Message) -> bool:
        tries.append(1)
        if len(tries) < 2:
            raise OSError("https://hooks.example.com/S3CRET")
        return True

    one, message = a_sender(deliver), a_message()
    one.put(message)
    assert message.arrived.wait(PATIENCE_SECONDS)
    end(one)
    assert len(tries) == 2
    assert "S3CRET" not in str([vars(record) for record in caplog.records])


def test_who_hands_over_never_waits_and_the_oldest_that_wait_are_given_up() -> None:
    hangs, begun, seen = threading.Event(), threading.Event(), []

    def deliver(message: Message) -> bool:
        begun.set()
        hangs.wait(PATIENCE_SECONDS)
        seen.append(message.title)
        return True

    one = a_sender(deliver)
    one.put(a_message("0"))
    assert begun.wait(PATIENCE_SECONDS)
    for number in range(1, LONGEST_QUEUE + 3):
        one.put(a_message(str(number)))
    hangs.set()
    end(one)
    assert seen == ["0", *(str(number) for number in range(4, LONGEST_QUEUE + 3))]


def test_an_end_waits_for_a_hanging_address_no_longer_than_it_is_told() -> None:
    hangs, begun = threading.Event(), threading.Event()

    def deliver(message: Message) -> bool:
        begun.set()
        return hangs.wait(PATIENCE_SECONDS)

    one, message = a_sender(deliver), a_message()
    one.put(message)
    assert begun.wait(PATIENCE_SECONDS)
    one.close()
    one.join(0.01)
    assert not message.arrived.is_set()
    hangs.set()
    one.join(PATIENCE_SECONDS)


def test_an_end_does_not_wait_for_another_attempt() -> None:
    tried = threading.Event()

    def deliver(message: Message) -> bool:
        tried.set()
        return False

    one = MessageSender("file /x", deliver, first_pause_seconds=3600)
    one.put(a_message())
    assert tried.wait(PATIENCE_SECONDS)
    end(one)


# -- the heartbeat ---------------------------------------------------------------------------------------------------


def test_a_heartbeat_that_is_due_is_made_before_the_end() -> None:
    with Receiver() as receiver:
        heart = HeartbeatSender(f"http://{receiver.address}/beat")
        heart.beat()
        end(heart)
        assert receiver.got == [("/beat", None)]


def test_a_heartbeat_without_an_answer_is_told_once_without_its_address(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        receiver.refuses = True
        heart = HeartbeatSender(f"http://{receiver.address}/S3CRET")
        for count in (1, 2):
            heart.beat()
            receiver.wait_for(lambda count=count: receiver.refused == count)  # type: ignore[misc]
        end(heart)
    assert [record.message for record in caplog.records] == ["the heartbeat found no good answer"]
    assert "S3CRET" not in str([vars(record) for record in caplog.records])


def test_a_heartbeat_goes_to_the_web_alone() -> None:
    with pytest.raises(ConfigError) as raised:
        HeartbeatSender("file:///etc/S3CRET")
    assert "S3CRET" not in str(raised.value)


# -- Apprise ---------------------------------------------------------------------------------------------------------


def test_a_message_arrives_by_apprise_as_it_was_written() -> None:
    with Receiver() as receiver:
        deliver = apprise_delivery("file /x", f"json://{receiver.address}/here")
        assert deliver(a_message()) is True
        [(path, body)] = receiver.got
    assert path.partition("?")[0] == "/here"
    assert (body["title"], body["message"], body["type"]) == ("Reconciler: a test", "words", "warning")


def test_an_address_that_refuses_is_told_so_and_nothing_of_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver() as receiver:
        receiver.refuses = True
        deliver = apprise_delivery("file /x", f"json://user:S3CRET@{receiver.address}/S3CRET")
        assert deliver(a_message()) is False
    ours = [record for record in caplog.records if not record.name.startswith("urllib3")]
    assert "S3CRET" not in str([vars(record) for record in ours])


def test_what_is_no_address_is_told_by_where_it_is_kept() -> None:
    with pytest.raises(ConfigError) as raised:
        apprise_delivery("file /etc/reconciler/notify", "S3CRET without a scheme")
    assert raised.value.problems == (
        "[notify] urls: the secret in file /etc/reconciler/notify is no address that Apprise knows",
    )


def test_without_the_extra_one_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError) as raised:
        require_apprise()
    [words] = raised.value.problems
    assert words == f"[notify] urls needs Apprise, which is not installed: {notifications.INSTALL}"
