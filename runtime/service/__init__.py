"""A run as a service: told to systemd, looked after, given another model without an end."""

from roadseg.runtime.service.event_log import EventLog
from roadseg.runtime.service.notifier import Notifier
from roadseg.runtime.service.reloader import Reloader
from roadseg.runtime.service.requests import Request, Requests, listen
from roadseg.runtime.service.supervisor import Supervisor, Upkeep, supervise

__all__ = [
    "EventLog",
    "Notifier",
    "Reloader",
    "Request",
    "Requests",
    "Supervisor",
    "Upkeep",
    "listen",
    "supervise",
]
