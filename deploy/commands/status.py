"""`assay status`: what runs, how far it is, which models are in force."""

from datetime import timedelta

from deploy.options import DEFAULT_STATE, JsonOption, NatsOption, StateOption, url_of
from deploy.output import Output
from deploy.state import StateDir
from deploy.terminal_text import one_line

TEXT_SHOWN = 400


def status(
    nats: NatsOption = None,
    state_dir: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Show streams, roles and models of a broker.

    Messages by stream; of every role and shard how far it has come, and how far behind that is:
    in messages of the stream it reads, and in event time; the model in force by scope.

    Example: assay status --state-dir .assay --json
    """
    from deploy.operations.model_table import refusal_words
    from deploy.role_runtime import process_name, run_loop
    from deploy.survey import survey

    output = Output(as_json=as_json)
    found = run_loop(survey(url_of(nats, StateDir(state_dir))))
    output.say(f"broker {found.url}")
    for stream in found.streams:
        output.say(f"  {stream.name:<9} {stream.messages:>9,} messages")
    for role in found.roles:
        name = process_name(role.role, role.shard, role.shards)
        event_time = str(timedelta(seconds=role.lag_s)).removesuffix(", 0:00:00")
        behind = f"behind by {role.lag_messages:,} messages, {event_time} of event time"
        output.say(f"  {name:<11} at {role.event_time or 'no event yet'}, {behind}")
    if not found.roles:
        output.say("  no role has made progress yet")
    for model in found.models:
        refused = f" ({refusal_words(model)})" if model.refused else ""
        output.say(one_line(f"  {model.scope}: {model.version}{refused}", TEXT_SHOWN))
    if not found.models:
        output.say("  no model is in force")
    output.document(found)
