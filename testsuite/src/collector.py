# A collector of traces: takes OTLP over HTTP, reads it with the classes that OpenTelemetry publishes, and writes each span as a line.
import http.server, json, sys
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

port, out = int(sys.argv[1]), sys.argv[2]


class Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/x-protobuf":
            self.send_response(400)
            self.end_headers()
            return
        message = ExportTraceServiceRequest()
        message.ParseFromString(body)
        # What is written is what was meant: nothing in it is unknown to the classes.
        if len(message.SerializeToString()) != len(body):
            self.send_response(400)
            self.end_headers()
            return
        with open(out, "a") as lines:
            for source in message.resource_spans:
                resource = {pair.key: pair.value.string_value for pair in source.resource.attributes}
                for scope in source.scope_spans:
                    for span in scope.spans:
                        attributes = {pair.key: pair.value.string_value for pair in span.attributes}
                        lines.write(json.dumps({"trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(), "name": span.name, "began": span.start_time_unix_nano, "ended": span.end_time_unix_nano, "attributes": attributes, "resource": resource, "scope": scope.scope.name}) + "\n")
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Take).serve_forever()
