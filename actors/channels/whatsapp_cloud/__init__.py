"""WhatsApp Cloud API: webhooks in, Graph calls out, no I/O (developers.facebook.com)."""

from actors.channels.whatsapp_cloud.channel import CloudChannel as CloudChannel
from actors.channels.whatsapp_cloud.provider import WhatsAppCloud as WhatsAppCloud
from actors.channels.whatsapp_cloud.signature import challenge as challenge
from actors.channels.whatsapp_cloud.signature import signature as signature
from actors.channels.whatsapp_cloud.signature import verified as verified
