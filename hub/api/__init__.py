"""The local HTTP and WebSocket API (/v1): routes by noun, problems, OpenAPI. The only place where the hub serves HTTP."""
