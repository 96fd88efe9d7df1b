package main
import ("encoding/json"; "fmt"; "log"; "os"; "time"; "github.com/gomodule/redigo/redis")
func main() {
	pool := redis.Pool{Dial: func() (redis.Conn, error) { return redis.Dial("tcp", os.Args[1]+":"+os.Args[2]) }}
	for conn, queue := pool.Get(), os.Args[3]; ; { // reconnects for ever
		jobs, err := redis.Values(conn.Do("JQ.CONSUME", queue, "BLOCK", 2000))
		if err != nil && err != redis.ErrNil { log.Print(err); time.Sleep(time.Second); conn.Close(); conn = pool.Get() }
		for _, each := range jobs {
			job, mail := each.([]any), struct{ To string }{}
			if err := json.Unmarshal(job[2].([]byte), &mail); err != nil { conn.Do("JQ.NACK", queue, job[1], "ERROR", err); continue }
			fmt.Println("mail to", mail.To) // the work itself
			conn.Do("JQ.ACK", queue, job[1])
		}
	}
}
