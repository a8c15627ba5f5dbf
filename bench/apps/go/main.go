// Go's net/http as written by hand: a goroutine and a ticker for each stream, and a flush for each event.
//
//	go run main.go PORT
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

const host = "127.0.0.1"

// now is the monotonic clock of the machine, which the viewers read too (clock_gettime(2)).
func now() int64 {
	var at syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&at)), 0)
	return at.Nano()
}

func sent() string { return fmt.Sprintf("sent %d ns", now()) }

type data struct {
	Message   string `json:"message"`
	Number    int    `json:"number,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Text      string `json:"text,omitempty"`
	Done      int    `json:"done,omitempty"`
	Total     int    `json:"total,omitempty"`
	Unit      string `json:"unit,omitempty"`
	Timestamp string `json:"timestamp"`
}

func write(response http.ResponseWriter, number int, name string, event data) error {
	event.Timestamp = time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	encoded, _ := json.Marshal(event)
	_, err := fmt.Fprintf(response, "id: %d\nevent: %s\ndata: %s\n\n", number, name, encoded)
	return err
}

func page(message string, done, total int) data {
	return data{Message: message, Done: done, Total: total, Unit: "pages"}
}

func number(request *http.Request, name string, otherwise float64) float64 {
	value, err := strconv.ParseFloat(request.URL.Query().Get(name), 64)
	if err != nil {
		return otherwise
	}
	return value
}

func pages(response http.ResponseWriter, request *http.Request) {
	count := int(number(request, "count", 0))
	for done := 1; done <= count; done++ {
		if write(response, done, "progress", page(fmt.Sprintf("Page %d read", done), done, count)) != nil {
			return
		}
	}
}

func everySoOften(name string, make func(int) data) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / number(request, "rate", 1)))
		defer ticker.Stop()
		for at := 1; ; at++ {
			select {
			case <-request.Context().Done():
				return
			case <-ticker.C:
				if write(response, at, name, make(at)) != nil {
					return
				}
				response.(http.Flusher).Flush()
			}
		}
	}
}

func quiet(response http.ResponseWriter, request *http.Request) {
	write(response, 1, "progress", page("Waiting", 1, 50))
	response.(http.Flusher).Flush()
	ticker := time.NewTicker(time.Duration(number(request, "heartbeat", 15) * float64(time.Second)))
	defer ticker.Stop()
	for {
		select {
		case <-request.Context().Done():
			if port := int(number(request, "port", 0)); port != 0 {
				socket, _ := net.Dial("udp4", fmt.Sprintf("%s:%d", host, port))
				fmt.Fprintf(socket, "%d %d", int(number(request, "viewer", 0)), now())
				socket.Close()
			}
			return
		case <-ticker.C:
			fmt.Fprint(response, ": keep-alive\n\n")
			response.(http.Flusher).Flush()
		}
	}
}

func stream(handler http.HandlerFunc) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		response.Header().Set("Content-Type", "text/event-stream")
		response.Header().Set("Cache-Control", "no-cache")
		handler(response, request)
	}
}

func main() {
	item := func(at int) data {
		return data{Message: sent(), Number: at, Kind: "paragraph", Text: "the words of one item of a result"}
	}
	http.HandleFunc("/pages", stream(pages))
	http.HandleFunc("/paced", stream(everySoOften("progress", func(at int) data { return page(sent(), at, 1e6) })))
	http.HandleFunc("/items", stream(everySoOften("item", item)))
	http.HandleFunc("/quiet", stream(quiet))
	http.HandleFunc("/pid", func(response http.ResponseWriter, _ *http.Request) { fmt.Fprint(response, os.Getpid()) })
	fmt.Println(http.ListenAndServe(host+":"+os.Args[1], nil))
}
